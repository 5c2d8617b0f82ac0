// An OpenAI-compatible model server: streams `answer to: {question}` in pieces, as server-sent events.

import { setTimeout as sleep } from 'node:timers/promises'
import { json, serve } from './server.mjs'

/**
 * Starts the fake. `delayMs` is the pause between pieces, `thinkMs` the one before the first; `answer` makes the text;
 * `questions` are those asked, in order; `onQuestion` sees the messages of each. */
export async function startModel({ delayMs = 0, port } = {}) {
  const model = { delayMs, thinkMs: 0, answer: answerTo, questions: [], streaming: 0 }
  const server = await serve(async (request, body, response) => {
    if (request.url === '/v1/models')
      return json(response, 200, { object: 'list', data: [{ id: 'fake-1', object: 'model' }] })
    if (request.url !== '/v1/chat/completions') return json(response, 404, { error: { message: 'no such route' } })
    const { model: name, stream, messages } = JSON.parse(body)
    if (name !== 'fake-1' || stream !== true) throw new Error(`the agent asked for ${name}, stream ${stream}`)
    const question = messages.at(-1)
    if (question.role !== 'user') throw new Error('the last message must be the question')
    model.questions.push(question.content)
    model.onQuestion?.(messages)
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    model.streaming += 1
    const send = (delta, finish_reason = null) =>
      response.write(
        `data: ${JSON.stringify({ object: 'chat.completion.chunk', choices: [{ index: 0, delta, finish_reason }] })}\n\n`,
      )
    send({ role: 'assistant', content: '' })
    await sleep(model.thinkMs)
    for (const piece of model.answer(question.content).split(/(?<= )/)) {
      if (response.destroyed) break
      send({ content: piece })
      if (model.delayMs) await sleep(model.delayMs)
    }
    model.streaming -= 1
    send({}, 'stop')
    response.end('data: [DONE]\n\n')
  }, port)
  return Object.assign(model, server)
}

/** What the model answers. */
export function answerTo(question) {
  return `answer to: ${question} 🚀 好的`
}
