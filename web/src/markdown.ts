// Markdown to HTML that is safe by construction: raw HTML in the source is text, and every tag comes from
// the rules below or from markdown-it's own, which escape what they print and refuse `javascript:` links.

import MarkdownIt from 'markdown-it'

export interface Labels {
  copy: string
}

const markdown = new MarkdownIt({ html: false, linkify: true, breaks: true })
// Otherwise `README.md` becomes a link to Moldova.
markdown.linkify.set({ fuzzyLink: false, fuzzyEmail: false })

const { rules } = markdown.renderer
const { escapeHtml } = markdown.utils

rules.link_open = (tokens, index, options, _env, self) => {
  tokens[index]!.attrSet('target', '_blank')
  tokens[index]!.attrSet('rel', 'noopener noreferrer')
  return self.renderToken(tokens, index, options)
}

// A picture from elsewhere would tell its server who reads what (and the content policy forbids it): show the link.
rules.image = (tokens, index) => {
  const token = tokens[index]!
  const source = String(token.attrGet('src') ?? '')
  const label = escapeHtml(token.content || source)
  if (source.startsWith('data:')) return `<img src="${escapeHtml(source)}" alt="${label}">`
  return `<a href="${escapeHtml(source)}" target="_blank" rel="noopener noreferrer">${label}</a>`
}

rules.fence = (tokens, index, _options, env) => {
  const token = tokens[index]!
  return codeBlock(token.content, /^\S*/.exec(token.info.trim())![0], env as unknown as Labels)
}
rules.code_block = (tokens, index, _options, env) => codeBlock(tokens[index]!.content, '', env as unknown as Labels)

rules.table_open = () => '<div class="table" tabindex="0"><table>'
rules.table_close = () => '</table></div>'

/** One piece of HTML per block, so that a growing answer changes its last block only. */
export function renderBlocks(source: string, labels: Labels): string[] {
  const env = { ...labels }
  const tokens = markdown.parse(source, env)
  const blocks: string[] = []
  let from = 0
  let depth = 0
  for (let at = 0; at < tokens.length; at++) {
    depth += tokens[at]!.nesting
    if (depth > 0) continue
    blocks.push(markdown.renderer.render(tokens.slice(from, at + 1), markdown.options, env))
    from = at + 1
  }
  return blocks
}

function codeBlock(code: string, name: string, labels: Labels): string {
  const head = `<div class="code-head"><span>${escapeHtml(name)}</span><button type="button" data-copy>${escapeHtml(labels.copy)}</button></div>`
  return `<div class="code">${head}<pre tabindex="0"><code>${escapeHtml(code)}</code></pre></div>`
}
