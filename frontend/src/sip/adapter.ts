/** The only file that imports JsSIP. Upwards it speaks of legs (leg.ts, one SIP session each) and of the connection.
 *
 * What JsSIP does otherwise than we need, and where it is turned: it reconnects after 2-30 s (`#reconnect`); it sends
 * BYE when ICE fails or a re-INVITE goes wrong (leg.ts); it waits for all ICE candidates (ice.ts); it keeps the first
 * digest credentials for ever (`#renew`). `stop()` is never called: it would hang up. */

import { C, UA, Utils } from 'jssip';
import type { SipAccount } from '../api/types';
import type { DialogId } from '../calls/call';
import { Leg, type RawSession } from './leg';
import { SipSocket } from './socket';

export type LineState = 'connecting' | 'registered' | 'offline';
export interface LineEvents {
  onState(state: LineState, retryAt: number | null): void;
  onIncoming(leg: Leg): void;
  /** Registered for the first time since the page was loaded. */
  onFirst(): void;
  /** The registration stands again after the connection was lost. */
  onBack(): void;
  /** The server does not know this browser's session any more. */
  onSignedOut(): void;
}

const RETRY = [150, 400, 1000, 2000, 4000, 8000];
const NEVER = 86_400;

export class Line {
  #ua: UA | null = null;
  #socket: SipSocket | null = null;
  #account: SipAccount | null = null;
  #goodUntil = 0;
  #attempt = 0;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #wasUp = false;

  constructor(
    private readonly events: LineEvents,
    private readonly fetchAccount: () => Promise<SipAccount>,
    private readonly instance: string,
  ) {}

  get graceMs(): number {
    return (this.#account?.grace_s ?? 8) * 1000;
  }

  get registered(): boolean {
    return this.#ua?.isRegistered() ?? false;
  }

  async start(): Promise<void> {
    addEventListener('online', () => this.hurry());
    addEventListener('offline', () => this.#socket?.fail());
    document.addEventListener('visibilitychange', () => {
      if (document.visibilityState === 'visible') this.hurry();
    });
    this.events.onState('connecting', null);
    await this.#connect();
  }

  /** Try again now; when connected, ask for a sign of life. */
  hurry(): void {
    if (this.#socket?.isConnected()) this.#socket.probe();
    else if (!this.#socket?.isConnecting()) void this.#connect();
  }

  /** Place a call. `replaces` names the dialog that it takes over. The INVITE leaves when the offer is ready. */
  async call(number: string, stream: MediaStream, replaces?: DialogId): Promise<Leg> {
    if (!this.#ua || !this.#account) throw new Error('no line');
    if (Date.now() > this.#goodUntil) await this.#renew();
    const header = replaces
      ? [`Replaces: ${replaces.callId};to-tag=${replaces.toTag};from-tag=${replaces.fromTag}`]
      : [];
    let leg: Leg | null = null;
    const take = ({ session, originator }: { session: unknown; originator: string }) => {
      if (originator === 'local') leg = new Leg(session as RawSession, stream);
    };
    const outgoing = this.#ua as unknown as { once(e: 'newRTCSession', l: typeof take): void };
    outgoing.once('newRTCSession', take);
    this.#ua.call(number, {
      mediaStream: stream,
      mediaConstraints: { audio: true, video: false },
      pcConfig: { iceServers: this.#account.ice_servers },
      extraHeaders: header,
    });
    if (!leg) throw new Error('no session');
    return leg;
  }

  async #connect(): Promise<void> {
    clearTimeout(this.#retry);
    try {
      await this.#renew();
    } catch (error) {
      if ((error as { status?: number }).status === 401 || (error as { status?: number }).status === 403) {
        this.events.onState('offline', null);
        this.events.onSignedOut();
        return;
      }
      this.#reconnect();
      return;
    }
    if (!this.#ua) this.#build(this.#account!);
    else (this.#ua as unknown as { transport: { connect(): void } }).transport.connect();
  }

  #reconnect(): void {
    const wait = RETRY[Math.min(this.#attempt, RETRY.length - 1)]! * (0.8 + Math.random() * 0.4);
    this.#attempt += 1;
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => void this.#connect(), wait);
    this.events.onState(this.#attempt > 2 ? 'offline' : 'connecting', Date.now() + wait);
  }

  /** Fresh credentials. JsSIP keeps HA1 after the first challenge, so HA1 is what is replaced. */
  async #renew(): Promise<void> {
    const account = await this.fetchAccount();
    this.#account = account;
    this.#goodUntil = Date.now() + Math.max(10, account.expires_in - 30) * 1000;
    const ua = this.#ua as unknown as { set(k: string, v: string): boolean } | null;
    ua?.set('authorization_user', account.username);
    ua?.set('realm', account.realm);
    ua?.set('ha1', Utils.calculateMD5(`${account.username}:${account.realm}:${account.password}`));
  }

  #build(account: SipAccount): void {
    const scheme = location.protocol === 'https:' ? 'wss' : 'ws';
    this.#socket = new SipSocket(`${scheme}://${location.host}${account.ws_path}`);
    const ua = new UA({
      sockets: this.#socket as never,
      uri: account.uri,
      display_name: account.display_name,
      authorization_user: account.username,
      password: account.password,
      realm: account.realm,
      instance_id: this.instance,
      register_expires: 300,
      session_timers: false,
      session_timers_refresh_method: C.INVITE,
      no_answer_timeout: 600,
      // Its own timer is put out of the way: #reconnect drives.
      connection_recovery_min_interval: NEVER,
      connection_recovery_max_interval: NEVER,
    });
    this.#ua = ua;
    ua.on('registered', () => this.#up());
    ua.on('disconnected', () => this.#reconnect());
    ua.on('registrationFailed', () => this.#socket?.fail());
    (ua as unknown as { on(e: string, l: () => void): void }).on('registrationExpiring', () => {
      this.#renew().then(() => ua.register(), () => ua.register());
    });
    ua.on('newRTCSession', ({ session, originator }: { session: unknown; originator: string }) => {
      if (originator === 'remote') this.events.onIncoming(new Leg(session as RawSession, null));
    });
    ua.start();
  }

  #up(): void {
    this.#attempt = 0;
    clearTimeout(this.#retry);
    const again = this.#wasUp;
    this.#wasUp = true;
    this.events.onState('registered', null);
    if (again) this.events.onBack();
    else this.events.onFirst();
  }
}
