/** One SIP session, spoken of in our words. The session itself is JsSIP's RTCSession, of which only what stands in
 * RawSession is used; names that begin with an underscore are its private ones. */

import type { DialogId } from '../calls/call';
import { OfferGate, type CandidateLike } from './ice';

interface RawMessage {
  status_code?: number;
  reason_phrase?: string;
  getHeader(name: string): string | undefined;
}

interface RawDialog {
  id: { call_id: string; local_tag: string; remote_tag: string };
}

export interface RawSession {
  readonly id: string;
  readonly direction: 'incoming' | 'outgoing';
  readonly connection: RTCPeerConnection | null;
  readonly remote_identity: { display_name?: string; uri: { user: string } };
  readonly local_identity: { uri: { user: string } };
  on(event: string, listener: (data: never) => void): void;
  answer(options: object): void;
  terminate(options?: { cause?: string; status_code?: number; reason_phrase?: string }): void;
  hold(options?: object, done?: () => void): boolean;
  unhold(options?: object, done?: () => void): boolean;
  mute(options: { audio: boolean }): void;
  unmute(options: { audio: boolean }): void;
  sendDTMF(tones: string, options: object): void;
  isEstablished(): boolean;
  isEnded(): boolean;
  isReadyToReOffer(): boolean;
  _dialog?: RawDialog;
  _localHold: boolean;
  _setLocalMediaStatus(): void;
  _close(): void;
}

export type LegEvent =
  | { type: 'progress'; early: boolean }
  | { type: 'accepted' }
  | { type: 'sound'; on: boolean }
  | { type: 'stream'; stream: MediaStream }
  | { type: 'hold'; on: boolean }
  | { type: 'theyHold'; on: boolean }
  | { type: 'lost' }
  | { type: 'ended'; by: 'you' | 'them'; answered: boolean; status: number; phrase: string; cause: string;
      reasonHeader: string; broken: boolean };

interface EndData {
  originator: 'local' | 'remote' | 'system';
  message: RawMessage | null;
  cause: string;
}

/** Causes with which JsSIP would hang up an answered call that can still be taken over. */
const KEPT = new Set(['Connection Error', 'Request Timeout', 'RTP Timeout']);
const BROKEN = new Set([...KEPT, 'Dialog Error', 'WebRTC Error', 'Internal Error', 'No ACK']);
/** ICE may be "disconnected" for a moment on Wi-Fi; longer than this is a lost connection. */
const SILENCE = 4000;

export class Leg {
  readonly direction: 'in' | 'out';
  readonly number: string;
  readonly name: string;
  readonly dialled: string;
  #listener: ((event: LegEvent) => void) | null = null;
  #waiting: LegEvent[] = [];
  #gate = new OfferGate();
  #answered = false;
  #ending = false;
  #gone = false;
  #silence: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly session: RawSession,
    private stream: MediaStream | null,
  ) {
    this.direction = session.direction === 'incoming' ? 'in' : 'out';
    this.number = decodeURIComponent(session.remote_identity.uri.user ?? '');
    this.name = session.remote_identity.display_name ?? '';
    this.dialled = this.direction === 'in' ? decodeURIComponent(session.local_identity.uri.user ?? '') : '';
    this.#listenTo(session);
    this.#guardTerminate(session);
    if (session.connection) this.#watch(session.connection);
  }

  listen(listener: (event: LegEvent) => void): void {
    this.#listener = listener;
    this.#waiting.splice(0).forEach(listener);
  }

  get dialog(): DialogId | null {
    const id = this.session._dialog?.id;
    return id ? { callId: id.call_id, fromTag: id.local_tag, toTag: id.remote_tag } : null;
  }

  get established(): boolean {
    return this.session.isEstablished();
  }

  answer(stream: MediaStream, iceServers: RTCIceServer[] = []): void {
    this.stream = stream;
    this.session.answer({
      mediaStream: stream,
      mediaConstraints: { audio: true, video: false },
      pcConfig: { iceServers },
    });
  }

  /** Hang up, cancel or decline, whichever fits. */
  end(): void {
    if (this.session.isEnded()) return;
    this.#ending = true;
    const decline = this.direction === 'in' && !this.#answered;
    this.session.terminate(decline ? { status_code: 603, reason_phrase: 'Decline' } : {});
  }

  /** Forget the session without a word on the wire: another one has taken its place, or the flow is gone. */
  abandon(): void {
    this.#gone = true;
    this.#gate.close();
    clearTimeout(this.#silence);
    this.session._close();
    this.#stopMicrophone();
  }

  mute(on: boolean): void {
    if (on) this.session.mute({ audio: true });
    else this.session.unmute({ audio: true });
  }

  /** Hold or resume by re-INVITE; true when the far side agreed. */
  async hold(on: boolean): Promise<boolean> {
    for (let tries = 0; tries < 30 && !this.session.isReadyToReOffer(); tries += 1) {
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    return new Promise((resolve) => {
      this.#holdDone = resolve;
      const done = () => this.#settleHold(true);
      const sent = on ? this.session.hold({}, done) : this.session.unhold({}, done);
      if (!sent) this.#settleHold(this.session._localHold === on);
    });
  }

  dtmf(digit: string): void {
    this.session.sendDTMF(digit, { transportType: 'RFC2833', duration: 120, interToneGap: 70 });
  }

  stats(): Promise<RTCStatsReport> | null {
    return this.session.connection?.getStats() ?? null;
  }

  /** Speak through another microphone: the track is exchanged, nothing is negotiated. */
  async useMicrophone(fresh: MediaStream): Promise<void> {
    const sender = this.session.connection?.getSenders().find(({ track }) => track?.kind === 'audio');
    const track = fresh.getAudioTracks()[0];
    if (!sender || !track) return;
    track.enabled = sender.track?.enabled ?? true;
    await sender.replaceTrack(track);
    this.#stopMicrophone();
    this.stream = fresh;
  }

  #holdDone: ((ok: boolean) => void) | null = null;

  #settleHold(ok: boolean): void {
    this.#holdDone?.(ok);
    this.#holdDone = null;
  }

  #tell(event: LegEvent): void {
    if (this.#gone) return;
    if (this.#listener) this.#listener(event);
    else this.#waiting.push(event);
  }

  #listenTo(session: RawSession): void {
    const on = <T>(name: string, listener: (data: T) => void) => session.on(name, listener as (d: never) => void);
    on<{ candidate: CandidateLike; ready: () => void }>('icecandidate', (e) => this.#gate.candidate(e.candidate, e.ready));
    on<{ peerconnection: RTCPeerConnection }>('peerconnection', (e) => this.#watch(e.peerconnection));
    on<{ response: (RawMessage & { body?: string }) | null }>('progress', ({ response }) => {
      if (response) this.#tell({ type: 'progress', early: Boolean(response.body) });
    });
    on('accepted', () => {
      this.#answered = true;
      this.#tell({ type: 'accepted' });
    });
    on<{ originator: string }>('hold', (e) => this.#held(e.originator, true));
    on<{ originator: string }>('unhold', (e) => this.#held(e.originator, false));
    on<EndData>('ended', (e) => this.#ended(e));
    on<EndData>('failed', (e) => this.#ended(e));
  }

  #held(originator: string, on: boolean): void {
    this.#tell(originator === 'local' ? { type: 'hold', on } : { type: 'theyHold', on });
  }

  #ended({ originator, message, cause }: EndData): void {
    this.#gate.close();
    clearTimeout(this.#silence);
    this.#settleHold(false);
    this.#stopMicrophone();
    const reasonHeader = message?.getHeader?.('Reason') ?? '';
    this.#tell({
      type: 'ended',
      by: originator === 'local' && this.#ending ? 'you' : 'them',
      answered: this.#answered,
      status: message?.status_code ?? 0,
      phrase: message?.reason_phrase ?? '',
      // Our server puts its word for the cause into the text of Reason (RFC 3326).
      cause: message?.getHeader?.('X-UC-Cause') ?? /text="([^"]*)"/.exec(reasonHeader)?.[1] ?? '',
      reasonHeader,
      broken: !this.#ending && BROKEN.has(cause) && originator !== 'remote',
    });
  }

  #watch(pc: RTCPeerConnection): void {
    pc.addEventListener('track', ({ streams, track }) => {
      this.#tell({ type: 'stream', stream: streams[0] ?? new MediaStream([track]) });
    });
    pc.addEventListener('connectionstatechange', () => {
      clearTimeout(this.#silence);
      if (pc.connectionState === 'connected') this.#tell({ type: 'sound', on: true });
      else if (pc.connectionState === 'disconnected') {
        this.#silence = setTimeout(() => this.#tell({ type: 'lost' }), SILENCE);
      } else if (pc.connectionState === 'failed') this.#tell({ type: 'lost' });
    });
  }

  /** JsSIP hangs up by itself in cases where the call can be kept; those become `lost` or a refused hold. */
  #guardTerminate(session: RawSession): void {
    const terminate = session.terminate.bind(session);
    session.terminate = (options = {}) => {
      if (this.#ending || this.#gone || !session.isEstablished()) return terminate(options);
      if (options.reason_phrase === 'Hold Failed' || options.reason_phrase === 'Unhold Failed') {
        void this.#undoHold(options.reason_phrase === 'Unhold Failed');
      } else if (KEPT.has(options.cause ?? '')) this.#tell({ type: 'lost' });
      else terminate(options);
    };
  }

  async #undoHold(held: boolean): Promise<void> {
    const pc = this.session.connection;
    if (pc?.signalingState === 'have-local-offer') await pc.setLocalDescription({ type: 'rollback' });
    this.session._localHold = held;
    this.session._setLocalMediaStatus();
    this.#tell({ type: 'hold', on: held });
    this.#settleHold(false);
  }

  #stopMicrophone(): void {
    this.stream?.getTracks().forEach((track) => track.stop());
  }
}
