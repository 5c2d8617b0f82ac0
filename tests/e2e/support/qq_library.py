"""Has qq-botpy-sdk sign, receive or send for a bot: reads a JSON object from standard input, writes one."""

import asyncio
import json
import sys

from botpy.api import BotAPI
from botpy.http import BotHttp, Route
from botpy.protocol.errors import ApiError
from botpy.protocol.events import normalize_inbound_message
from botpy.protocol.streaming import StreamSession
from botpy.protocol.transport.webhook import WebhookRequest, WebhookTransport
from botpy.protocol.transport.webhook_verify import ed25519_sign


async def sign(said):
    return {"signature": ed25519_sign(said["secret"], said["text"].encode())}


async def receive(said):
    """What its webhook answers to a request, and the message that its application is given."""
    heard = []

    async def hear(event):
        heard.append(normalize_inbound_message(event))

    transport = WebhookTransport(said["app_id"], said["secret"])
    transport._handler = hear
    response = await transport.handle_request(WebhookRequest(said["body"].encode(), said["headers"]))
    await asyncio.gather(*transport._dispatch_tasks)
    answer = {"status": response.status, "body": json.loads(response.body), "message": None}
    for message in heard:
        target = message.reply_target
        answer["message"] = {
            "id": message.id,
            "text": message.content,
            "scope": target.scope,
            "target": target.target_id,
            "author": message.author_id,
        }
    return answer


class Bot:
    """Its client, at another address than QQ's."""

    def __init__(self, said):
        self.http = BotHttp(10, app_id=said["app_id"], secret=said["secret"], base_url=said["url"], token_base_url=said["url"])
        self.api = BotAPI(self.http)

    async def tries(self, call):
        """What a call came to: the answer, or the platform's code."""
        try:
            return await call
        except ApiError as error:
            return {"status": error.status, "code": error.code}


async def login(said, bot):
    return await bot.http.request(Route("GET", "/users/@me"))


async def send(said, bot):
    """A message, by the fields of its body."""
    post = {"users": bot.api.post_c2c_message, "groups": bot.api.post_group_message}[said["scope"]]
    return await bot.tries(post(said["to"], **said["message"]))


async def frames(said, bot):
    """Calls that make a message grow, by the fields of their bodies; the id is that of the first answer."""
    answers, stream = [], {}
    for frame in said["frames"]:
        named = {**frame, **stream, "event_id": frame["msg_id"]}
        answer = await bot.tries(bot.api.post_c2c_stream_message(said["to"], **named))
        answers.append(answer)
        stream = stream or ({"stream_msg_id": answer["id"]} if "id" in answer else {})
    return {"answers": answers}


async def stream(said, bot):
    """A text in pieces, by its session, which decides when to send."""
    session = StreamSession(
        bot.api, openid=said["to"], msg_id=said["msg_id"], event_id=said["msg_id"], msg_seq=said["msg_seq"], throttle_ms=300
    )
    text = ""
    for piece in said["pieces"]:
        text += piece
        await session.update(text)
        await asyncio.sleep(0.1)
    return await session.complete()


async def main():
    said = json.load(sys.stdin)
    alone = {"receive": receive, "sign": sign}.get(said["do"])
    if alone:
        return await alone(said)
    bot = Bot(said)
    try:
        return await {"frames": frames, "login": login, "send": send, "stream": stream}[said["do"]](said, bot)
    finally:
        await bot.http.close()


json.dump(asyncio.run(main()), sys.stdout)
