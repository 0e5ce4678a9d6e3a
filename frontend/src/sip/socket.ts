/** The WebSocket under JsSIP. It tells a dead connection from a quiet one: CRLF CRLF goes out (RFC 5626 section
 * 3.5.1, answered by CRLF), and when nothing at all comes back in time the socket counts as closed. */

const PING_EVERY = 20_000;
const PONG_WITHIN = 4_000;

export class SipSocket {
  readonly url: string;
  readonly sip_uri: string;
  via_transport: string;
  onconnect: () => void = () => {};
  ondisconnect: (error: boolean, code?: number, reason?: string) => void = () => {};
  ondata: <T>(data: T) => void = () => {};

  #ws: WebSocket | null = null;
  #ping: ReturnType<typeof setInterval> | undefined;
  #deadline: ReturnType<typeof setTimeout> | undefined;

  constructor(url: string) {
    const { host, protocol } = new URL(url);
    this.url = url;
    this.sip_uri = `sip:${host};transport=ws`;
    this.via_transport = protocol === 'wss:' ? 'WSS' : 'WS';
  }

  connect(): void {
    if (this.#ws && this.#ws.readyState <= WebSocket.OPEN) return;
    const ws = new WebSocket(this.url, 'sip');
    ws.binaryType = 'arraybuffer';
    this.#ws = ws;
    ws.onopen = () => {
      this.#ping = setInterval(() => this.probe(), PING_EVERY);
      this.onconnect();
    };
    ws.onmessage = ({ data }) => {
      clearTimeout(this.#deadline);
      this.#deadline = undefined;
      this.ondata(data);
    };
    ws.onclose = ({ wasClean, code, reason }) => {
      if (this.#ws !== ws) return;
      this.#drop();
      this.ondisconnect(!wasClean, code, reason);
    };
  }

  disconnect(): void {
    const ws = this.#ws;
    this.#drop();
    ws?.close();
  }

  send(message: string | ArrayBufferLike | Blob | ArrayBufferView): boolean {
    if (!this.isConnected()) return false;
    this.#ws!.send(message as string);
    return true;
  }

  isConnected(): boolean {
    return this.#ws?.readyState === WebSocket.OPEN;
  }

  isConnecting(): boolean {
    return this.#ws?.readyState === WebSocket.CONNECTING;
  }

  /** Ask for a sign of life now: after a change of network, or when the page comes to the front. */
  probe(): void {
    if (this.#deadline !== undefined || !this.send('\r\n\r\n')) return;
    this.#deadline = setTimeout(() => this.fail(), PONG_WITHIN);
  }

  /** Give the connection up without waiting for TCP to notice. */
  fail(): void {
    if (!this.#ws) return;
    this.disconnect();
    this.ondisconnect(true, 1006, 'no answer');
  }

  #drop(): void {
    clearInterval(this.#ping);
    clearTimeout(this.#deadline);
    this.#deadline = undefined;
    this.#ws = null;
  }
}
