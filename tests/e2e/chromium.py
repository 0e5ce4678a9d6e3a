"""A real browser: Debian's Chromium without a screen, a tone for its microphone, its sound measured."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import Browser, Page, Playwright

from tests.e2e import tone
from tests.e2e.wait import until

BINARY = "/usr/bin/chromium"

FLAGS = [
    "--disable-gpu",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--disable-features=WebRtcHideLocalIpsWithMdns",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--allow-loopback-in-peer-connection",
    "--autoplay-policy=no-user-gesture-required",
]

# Every element that plays a live stream aloud, through an AnalyserNode: its last quarter second as PCM.
LISTEN = """
async () => {
  const lab = (window.__lab ??= { context: new AudioContext(), taps: new Map() });
  await lab.context.resume();
  const aloud = [...document.querySelectorAll('audio, video')].filter((element) =>
    element.srcObject && !element.muted && !element.paused && element.volume > 0 &&
    element.srcObject.getAudioTracks().some((track) => track.readyState === 'live' && track.enabled));
  const heard = [];
  for (const element of aloud) {
    let tap = lab.taps.get(element);
    if (!tap || tap.stream !== element.srcObject) {
      tap = { stream: element.srcObject, node: new AnalyserNode(lab.context, { fftSize: 16384 }) };
      lab.context.createMediaStreamSource(tap.stream).connect(tap.node);
      lab.taps.set(element, tap);
    }
    const samples = new Float32Array(tap.node.fftSize);
    tap.node.getFloatTimeDomainData(samples);
    const last = samples.subarray(samples.length - Math.floor(lab.context.sampleRate / 4));
    const pcm = Int16Array.from(last, (x) => Math.max(-32768, Math.min(32767, Math.round(x * 32768))));
    let text = '';
    for (const octet of new Uint8Array(pcm.buffer)) text += String.fromCharCode(octet);
    heard.push(btoa(text));
  }
  return { rate: lab.context.sampleRate, heard };
}
"""

# A browser whose owner's administrator left it no codec but Opus. Offers are thinned out before it sees them:
# with preferences alone Chromium answers Opus, and sends what stood first in the offer all the same.
OPUS_ONLY = r"""
const wanted = /opus|telephone-event/i;
const prototype = RTCPeerConnection.prototype;
const { createOffer, setRemoteDescription } = prototype;
prototype.createOffer = function (...rest) {
  const codecs = RTCRtpReceiver.getCapabilities('audio').codecs.filter((one) => wanted.test(one.mimeType));
  for (const transceiver of this.getTransceivers())
    if (transceiver.receiver.track.kind === 'audio') transceiver.setCodecPreferences(codecs);
  return createOffer.apply(this, rest);
};
prototype.setRemoteDescription = function (description, ...rest) {
  if (description.type !== 'offer') return setRemoteDescription.call(this, description, ...rest);
  const kept = [...description.sdp.matchAll(/^a=rtpmap:(\d+) (\S+)/gm)]
    .filter((match) => wanted.test(match[2])).map((match) => match[1]);
  const sdp = description.sdp
    .replace(/^(m=audio \d+ \S+) .*$/m, (_, head) => `${head} ${kept.join(' ')}`)
    .replace(/^a=(?:rtpmap|fmtp|rtcp-fb):(\d+) .*\r\n/gm, (line, type) => (kept.includes(type) ? line : ''));
  return setRemoteDescription.call(this, { type: 'offer', sdp }, ...rest);
};
"""


class Browsers:
    """Browser processes, one for each tone that a microphone hears: starting one costs seconds of a core."""

    def __init__(self, playwright: Playwright, directory: Path) -> None:
        self._playwright = playwright
        self._directory = directory
        self._running: dict[int, Browser] = {}

    def hearing(self, frequency: int) -> Browser:
        """The browser whose microphone hears `frequency` Hz."""
        assert Path(BINARY).exists(), "chromium is missing: apt install chromium"
        if frequency not in self._running:
            sound = self._directory / f"voice-{frequency}.wav"
            voice = tone.write_wav(sound, tone.sine(frequency, 10.0, level=0.3))
            self._running[frequency] = self._playwright.chromium.launch(
                executable_path=BINARY,
                headless=True,
                chromium_sandbox=False,
                args=[*FLAGS, f"--use-file-for-fake-audio-capture={voice}"],
            )
        return self._running[frequency]

    def close(self) -> None:
        """End every process."""
        for browser in self._running.values():
            browser.close()


class Chromium:
    """A person's own browser: a profile with nothing in it, and one page."""

    def __init__(self, browsers: Browsers, *, frequency: int = 1000) -> None:
        self.console: list[str] = []
        self._context = browsers.hearing(frequency).new_context(
            ignore_https_errors=True,  # the certificate authority is the product's own
            locale="en-US",
            viewport={"width": 1440, "height": 900},
        )
        self._context.set_default_timeout(10_000)
        self.page = self._watch(self._context.new_page())

    def _watch(self, page: Page) -> Page:
        page.on("console", lambda message: self.console.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: self.console.append(f"uncaught: {error}"))
        return page

    def opus_only(self) -> None:
        """From the next page load on it offers and takes Opus alone."""
        self._context.add_init_script(OPUS_ONLY)

    def close(self) -> None:
        """End the browser, as a person closing its window."""
        self._context.close()

    def __enter__(self) -> Chromium:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- sound -----------------------------------------------------------------------------------

    def listen(self) -> list[tone.Tone]:
        """The tone of the last quarter second, of each call that the page plays."""
        found: dict[str, Any] = self.page.evaluate(LISTEN)
        samples = [np.frombuffer(base64.b64decode(text), dtype="<i2") / 32768 for text in found["heard"]]
        return [tone.measure(part, int(found["rate"])) for part in samples]

    def wait_hears(self, frequency: float, seconds: float = 15.0, times: int = 3) -> None:
        """Until the page plays the tone, `times` measurements in a row."""
        row = 0
        last: list[tone.Tone] = []

        def look() -> bool:
            nonlocal row
            last[:] = self.listen()
            row = row + 1 if any(part.is_near(frequency) for part in last) else 0
            return row >= times

        try:
            until(look, seconds, "a tone", every=0.25)
        except AssertionError:
            raise AssertionError(f"the page plays no {frequency:g} Hz: {last}\n{self.report()}") from None

    def wait_hears_no(self, frequency: float, seconds: float = 10.0, times: int = 5) -> None:
        """Until the page plays nothing of the tone, `times` measurements in a row."""
        row = 0

        def look() -> bool:
            nonlocal row
            row = 0 if any(part.is_near(frequency) for part in self.listen()) else row + 1
            return row >= times

        until(look, seconds, f"the page plays {frequency:g} Hz no more", every=0.25)

    def report(self) -> str:
        """The page's console and what stands on it, for a failure's report."""
        return "\n".join([*self.console[-20:], self.page.url, self.page.locator("body").inner_text()[:2000]])
