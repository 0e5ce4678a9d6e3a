"""The browser hears a file as its microphone, and what it plays is measured, on a page of our own."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.e2e.chromium import Browsers, Chromium

PAGE = b"""<!doctype html><title>lab</title><audio autoplay></audio><script>
window.talk = async () => {
  const microphone = await navigator.mediaDevices.getUserMedia({ audio: true });
  const [near, far] = [new RTCPeerConnection(), new RTCPeerConnection()];
  near.onicecandidate = (event) => far.addIceCandidate(event.candidate);
  far.onicecandidate = (event) => near.addIceCandidate(event.candidate);
  far.ontrack = (event) => { document.querySelector('audio').srcObject = event.streams[0]; };
  microphone.getTracks().forEach((track) => near.addTrack(track, microphone));
  await near.setLocalDescription(await near.createOffer());
  await far.setRemoteDescription(near.localDescription);
  await far.setLocalDescription();
  await near.setRemoteDescription(far.localDescription);
  window.near = near;
  return far.localDescription.sdp;
};
</script>"""


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(PAGE)

    def log_message(self, *_: object) -> None:
        """Nothing on the screen."""


@pytest.fixture
def page_url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_microphone_is_heard_at_the_far_end(browsers: Browsers, page_url: str):
    with Chromium(browsers) as browser:
        browser.page.goto(page_url)
        assert browser.listen() == []
        browser.page.evaluate("talk()")
        browser.wait_hears(1000)
        assert not any(part.is_near(440) for part in browser.listen())
        browser.page.evaluate("document.querySelector('audio').muted = true")
        assert browser.listen() == []
        browser.page.evaluate("document.querySelector('audio').muted = false")
        browser.page.evaluate("near.getSenders()[0].replaceTrack(null)")
        browser.wait_hears_no(1000)


def test_an_opus_only_browser(browsers: Browsers, page_url: str):
    with Chromium(browsers, frequency=600) as browser:
        browser.opus_only()
        browser.page.goto(page_url)
        answer = browser.page.evaluate("talk()")
        assert "opus/48000" in answer and "PCMU" not in answer and "G722" not in answer
        browser.wait_hears(600)
