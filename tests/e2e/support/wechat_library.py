"""Has wechatpy seal or open one callback: reads a JSON object from standard input, writes one."""

import json
import sys

from wechatpy import parse_message
from wechatpy.crypto import WeChatCrypto
from wechatpy.exceptions import InvalidSignatureException
from wechatpy.utils import check_signature


def seal(crypto, said):
    return {"xml": crypto.encrypt_message(said["xml"], said["nonce"], said["timestamp"])}


def opened(crypto, said):
    xml = crypto.decrypt_message(said["xml"], said["signature"], said["timestamp"], said["nonce"])
    message = parse_message(xml)
    return {"type": message.type, "content": message.content, "from": message.source, "to": message.target}


def is_signed(_, said):
    check_signature(said["token"], said["signature"], said["timestamp"], said["nonce"])
    return {}


said = json.load(sys.stdin)
crypto = WeChatCrypto(said["token"], said["key"], said["app_id"])
try:
    answer = {"seal": seal, "open": opened, "check": is_signed}[said["do"]](crypto, said)
except InvalidSignatureException:
    answer = {"refused": "signature"}
json.dump(answer, sys.stdout)
