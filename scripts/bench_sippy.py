"""A B2BUA on the library `sippy`, run by its own interpreter: what `make bench` lays beside the edge.

It challenges every INVITE (number N has the secret "secret-N"), then makes a second dialog to the one port at
which calls arrive. No database, no media, no record, no registrations. Arguments: own port, that port.
"""

import os
import sys

os.environ["SIPLOG_BEND"] = "none"
os.environ["SIPLOG_LVL"] = "CRIT"

from sippy.CCEvents import CCEventDisconnect, CCEventTry
from sippy.Core.EventDispatcher import ED2
from sippy.SipConf import SipConf
from sippy.SipHeader import SipHeader
from sippy.SipLogger import SipLogger
from sippy.SipTransactionManager import SipTransactionManager
from sippy.SipWWWAuthenticate import SipWWWAuthenticate
from sippy.UA import UA

REALM = "bench.example"


class Call:
    """Both dialogs of one call: what happens to one is told to the other."""

    def __init__(self, config):
        self.config = config
        self.caller = UA(config, self.event)
        self.callee = None

    def event(self, event, ua):
        if ua is not self.caller:
            self.caller.recvEvent(event)
            return
        if self.callee is None:
            if not isinstance(event, CCEventTry):
                self.caller.recvEvent(CCEventDisconnect())
                return
            self.callee = UA(self.config, event_cb=self.event, nh_address=self.config["nh_addr"])
        self.callee.recvEvent(event)


class Calls:
    def __init__(self, config):
        self.config = config

    def request(self, request, transaction):
        if request.getHFBody("to").getTag() is not None:
            return request.genResponse(481, "Call Leg/Transaction Does Not Exist"), None, None
        if request.getMethod() != "INVITE":
            return request.genResponse(200, "OK"), None, None
        if not self.authentic(request):
            answer = request.genResponse(401, "Unauthorized")
            challenge = SipWWWAuthenticate(realm=REALM, algorithm="MD5")
            answer.appendHeader(SipHeader(name="www-authenticate", body=challenge))
            return answer, None, None
        return Call(self.config).caller.recvRequest(request, transaction)

    def authentic(self, request):
        if request.countHFs("authorization") == 0:
            return False
        given = request.getHFBody("authorization")
        given.getCanName("authorization")
        if given.username is None:
            given.parse()
        return given.verify(f"secret-{given.username}", request.getMethod())


def main(own, callee):
    SipConf.my_uaname = "sippy"
    config = {
        "nh_addr": ("127.0.0.1", callee),
        "_sip_address": "127.0.0.1",
        "_sip_port": own,
        "_sip_logger": SipLogger("bench"),
    }
    config["_sip_tm"] = SipTransactionManager(config, Calls(config).request)
    ED2.loop()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
