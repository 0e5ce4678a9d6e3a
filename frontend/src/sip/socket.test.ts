import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { SipSocket } from './socket';

class FarEnd {
  static readonly OPEN = 1;
  static readonly CONNECTING = 0;
  static last: FarEnd;
  readyState = 0;
  binaryType = '';
  sent: string[] = [];
  onopen = () => {};
  onmessage = (_: { data: string }) => {};
  onclose = (_: { wasClean: boolean; code: number; reason: string }) => {};
  constructor(readonly url: string) {
    FarEnd.last = this;
  }
  open() {
    this.readyState = 1;
    this.onopen();
  }
  send(text: string) {
    this.sent.push(text);
  }
  close() {
    this.readyState = 3;
  }
}

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal('WebSocket', FarEnd);
});
afterEach(() => {
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

function up() {
  const socket = new SipSocket('wss://pbx.example:8443/sip');
  const lost = vi.fn();
  socket.ondisconnect = lost;
  socket.connect();
  FarEnd.last.open();
  return { socket, lost, far: FarEnd.last };
}

it('says what JsSIP asks of a socket', () => {
  const { socket } = up();
  expect([socket.via_transport, socket.sip_uri, socket.isConnected()]).toEqual(['WSS', 'sip:pbx.example:8443;transport=ws', true]);
});

it('counts as closed when a ping is not answered', () => {
  const { lost, far } = up();
  vi.advanceTimersByTime(20_000);
  expect(far.sent).toEqual(['\r\n\r\n']);
  vi.advanceTimersByTime(4000);
  expect(lost).toHaveBeenCalledTimes(1);
  vi.advanceTimersByTime(60_000);
  expect(far.sent).toHaveLength(1);
});

it('lives on when anything is heard', () => {
  const { lost, far } = up();
  for (let i = 0; i < 5; i += 1) {
    vi.advanceTimersByTime(20_000);
    far.onmessage({ data: '\r\n' });
  }
  vi.advanceTimersByTime(4000);
  expect(lost).not.toHaveBeenCalled();
  expect(far.sent).toHaveLength(5);
});

it('a close of a socket that was given up is not told twice', () => {
  const { socket, lost, far } = up();
  socket.fail();
  far.onclose({ wasClean: false, code: 1006, reason: '' });
  expect(lost).toHaveBeenCalledTimes(1);
});
