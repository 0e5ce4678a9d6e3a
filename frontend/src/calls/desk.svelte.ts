/** The calls of this page and what can be done with them: call values here, SIP legs and sound beside them. */

import { SvelteMap } from 'svelte/reactivity';
import { api } from '../api/client';
import { audioContext, LineLevels } from '../media/levels';
import { MicrophoneError, openMicrophone, type Trouble } from '../media/microphone';
import { keyTone } from '../media/tones';
import { Line, type LineState } from '../sip/adapter';
import { instanceId } from '../sip/instance';
import type { Leg, LegEvent } from '../sip/leg';
import { isEstablished, isLive, isRinging, keptCall, newCall, step, type Call, type CallEvent } from './call';
import { CallSound } from './sound.svelte';
import { forget, keep, takeKept } from './keep';
import { hungUp, isFailure, refused, withdrawn, type Reason } from './reasons';

/** How long the reason of a call that ended as wished stays in the bar. */
const SAID = 6000;
/** A lost call is given up this long after the server's grace is over. */
const PAST_GRACE = 4000;

class Desk {
  calls = $state<Call[]>([]);
  line = $state<LineState>('connecting');
  retryAt = $state<number | null>(null);
  signedOut = $state(false);
  /** The microphone could not be opened; shown by the doctor until it works or is dismissed. */
  trouble = $state<Trouble | null>(null);
  /** The call that the trouble kept from being made or answered. */
  wanted = $state<{ dial?: string; name?: string; answer?: string } | null>(null);
  keypad = $state(false);
  /** Latest call first that the bar speaks of; kept when calls swap. */
  #front = $state<string | null>(null);
  sounds = new SvelteMap<string, CallSound>();
  #legs = new Map<string, Leg>();
  #taking = new Set<string>();
  #line: Line | null = null;
  #ids = 0;

  ringing = $derived(this.calls.filter(isRinging));
  live = $derived(this.calls.filter(isLive));
  current = $derived(
    this.live.find(({ id }) => id === this.#front) ?? this.live.find(({ held }) => held === null) ?? this.live[0] ?? null,
  );
  others = $derived(this.live.filter((call) => call !== this.current));
  /** The last call that ended, while its reason is shown. */
  over = $derived(this.calls.filter(({ phase }) => phase === 'ended').at(-1) ?? null);

  async start(): Promise<void> {
    this.#line = new Line(
      {
        onState: (line, retryAt) => {
          this.line = line;
          this.retryAt = retryAt;
          document.documentElement.dataset.sip = line;
          if (line !== 'registered') this.#cutOff();
        },
        onIncoming: (leg) => this.#incoming(leg),
        onBack: () => void this.#takeBack(),
        onSignedOut: () => (this.signedOut = true),
        onFirst: () => void this.#takeKept(),
      },
      api.sip,
      await instanceId(),
    );
    setInterval(() => void this.#count(), CallSound.statsEvery);
    await this.#line.start();
  }

  hurry(): void {
    this.#line?.hurry();
  }

  get(id: string): Call | null {
    return this.calls.find((call) => call.id === id) ?? null;
  }

  async dial(number: string, name = ''): Promise<void> {
    this.trouble = null;
    this.wanted = null;
    audioContext();
    if (this.current && isEstablished(this.current) && this.current.held === null) await this.hold(this.current.id, true);
    const call = this.#add(newCall(this.#newId(), 'out', { number, name }, Date.now()));
    let stream: MediaStream;
    try {
      stream = await openMicrophone();
    } catch (error) {
      this.trouble = (error as MicrophoneError).trouble;
      this.wanted = { dial: number, name };
      this.#apply(call.id, { type: 'end', reason: this.trouble });
      return;
    }
    if (this.get(call.id)?.phase === 'ended') {
      stream.getTracks().forEach((track) => track.stop());
      return;
    }
    try {
      const leg = await this.#line!.call(number, stream);
      this.#bind(call.id, leg, stream);
    } catch {
      stream.getTracks().forEach((track) => track.stop());
      this.#apply(call.id, { type: 'end', reason: 'connection' });
    }
  }

  /** Answer; a call that is up is held first. When the microphone fails the call goes on ringing. */
  async answer(id: string): Promise<void> {
    const leg = this.#legs.get(id);
    if (!leg || this.get(id)?.phase !== 'incoming') return;
    this.trouble = null;
    this.wanted = null;
    audioContext();
    let stream: MediaStream;
    try {
      stream = await openMicrophone();
    } catch (error) {
      this.trouble = (error as MicrophoneError).trouble;
      this.wanted = { answer: id };
      return;
    }
    const before = this.current;
    if (before && isEstablished(before) && before.held === null) await this.hold(before.id, true);
    if (this.get(id)?.phase !== 'incoming') {
      stream.getTracks().forEach((track) => track.stop());
      return;
    }
    this.sounds.get(id)?.speak(stream);
    leg.answer(stream);
    this.#front = id;
  }

  /** Decline, cancel or hang up. */
  end(id: string): void {
    const call = this.get(id);
    if (!call || call.phase === 'ended') return;
    const leg = this.#legs.get(id);
    if (leg) leg.end();
    // The line is down or the leg not there yet: the page lets go, the server ends the call after its grace.
    if (this.get(id)?.phase !== 'ended') {
      const reason = call.phase === 'incoming' ? 'you_declined' : isEstablished(call) ? 'you' : 'cancelled';
      this.#apply(id, { type: 'end', reason });
    }
  }

  mute(id: string, on = !this.get(id)?.muted): void {
    this.#legs.get(id)?.mute(on);
    this.#apply(id, { type: 'mute', on });
  }

  async hold(id: string, on: boolean): Promise<void> {
    const leg = this.#legs.get(id);
    const call = this.get(id);
    if (!leg || !call || !isEstablished(call) || (call.held !== null) === on) return;
    if (!on) {
      for (const other of this.live) {
        if (other.id !== id && other.held === null && isEstablished(other)) await this.hold(other.id, true);
      }
      this.#front = id;
    }
    await leg.hold(on);
  }

  /** Hold the call that is up, resume the other. */
  swap(id?: string): Promise<void> {
    const other = id ? this.get(id) : this.others.find(({ held }) => held !== null);
    return other ? this.hold(other.id, false) : Promise.resolve();
  }

  digit(id: string, digit: string): void {
    const call = this.get(id);
    const leg = this.#legs.get(id);
    if (!call || !leg || call.held !== null || !(isEstablished(call) || call.early)) return;
    keyTone(digit);
    leg.dtmf(digit);
    this.#apply(id, { type: 'digit', digit });
  }

  dismiss(id: string): void {
    this.calls = this.calls.filter((call) => call.id !== id || call.phase !== 'ended');
  }


  async useMicrophone(stream: MediaStream): Promise<void> {
    const call = this.current;
    if (!call) return stream.getTracks().forEach((track) => track.stop());
    await this.#legs.get(call.id)?.useMicrophone(stream);
    this.sounds.get(call.id)?.speak(stream);
  }

  async #count(): Promise<void> {
    const call = this.current;
    if (!call || call.phase !== 'talking' || call.held !== null || call.lostUntil !== null) return;
    const report = await this.#legs.get(call.id)?.stats();
    if (report) this.sounds.get(call.id)?.count(report);
  }

  #newId = (): string => `c${(this.#ids += 1)}`;

  #add(call: Call): Call {
    this.calls = [...this.calls.filter(({ phase }) => phase !== 'ended'), call];
    this.sounds.set(call.id, new CallSound(call.id, new LineLevels()));
    if (call.direction === 'out') this.#front = call.id;
    return call;
  }

  #apply(id: string, event: CallEvent): void {
    const before = this.get(id);
    if (!before) return;
    const after = step(before, event, Date.now());
    if (after === before) return;
    this.calls = this.calls.map((call) => (call.id === id ? after : call));
    this.sounds.get(id)?.follow(after);
    keep(after);
    if (after.phase === 'ended' && before.phase !== 'ended') this.#ended(after);
    if (after.lostUntil !== null && before.lostUntil === null) this.#giveUpLater(id, after.lostUntil);
  }

  #giveUpLater(id: string, until: number): void {
    setTimeout(() => {
      if (this.get(id)?.lostUntil !== until) return;
      this.#legs.get(id)?.abandon();
      this.#apply(id, { type: 'end', reason: 'connection' });
    }, until - Date.now() + PAST_GRACE);
  }

  #ended(call: Call): void {
    this.sounds.get(call.id)?.close();
    this.sounds.delete(call.id);
    this.#legs.delete(call.id);
    forget(call.id);
    if (!this.live.length) this.keypad = false;
    if (!isFailure(call.reason)) setTimeout(() => this.dismiss(call.id), call.reason === 'elsewhere' ? 3000 : SAID);
  }

  #incoming(leg: Leg): void {
    const call = this.#add(newCall(this.#newId(), 'in', { number: leg.number, name: leg.name }, Date.now(), leg.dialled));
    this.#bind(call.id, leg, null);
  }

  #bind(id: string, leg: Leg, stream: MediaStream | null): void {
    this.#legs.set(id, leg);
    if (stream) this.sounds.get(id)?.speak(stream);
    leg.listen((event) => {
      if (this.#legs.get(id) === leg) this.#heard(id, leg, event);
    });
    const call = this.get(id);
    if (call?.muted) leg.mute(true);
    // Ended while the leg was being made.
    if (call?.phase === 'ended') leg.end();
  }

  #heard(id: string, leg: Leg, event: LegEvent): void {
    switch (event.type) {
      case 'progress':
        return this.#apply(id, { type: event.early ? 'early' : 'ringing' });
      case 'stream':
        return this.sounds.get(id)?.hearThem(event.stream);
      case 'sound':
      case 'hold':
      case 'theyHold':
        return this.#apply(id, event);
      case 'accepted':
        this.#apply(id, { type: 'answered' });
        if (leg.dialog) this.#apply(id, { type: 'dialog', dialog: leg.dialog });
        return;
      case 'lost':
        this.#apply(id, { type: 'lost', graceMs: this.#line!.graceMs });
        if (this.line === 'registered') void this.#takeOver(id);
        return;
      case 'ended':
        return this.#apply(id, { type: 'end', reason: this.#why(id, event) });
    }
  }

  #why(id: string, event: Extract<LegEvent, { type: 'ended' }>): Reason {
    const call = this.get(id);
    if (event.broken) return event.answered && call?.sound === false ? 'sound' : 'connection';
    if (event.answered) return hungUp(event.by, event.cause);
    // The server does not know the call that was to be taken over.
    if (call && isEstablished(call) && event.by === 'them') return 'connection';
    if (event.by === 'you') return call?.direction === 'in' ? 'you_declined' : 'cancelled';
    return call?.direction === 'in' ? withdrawn(event.reasonHeader) : refused(event);
  }

  /** The connection is gone. Answered calls wait for it; what only rang cannot be answered any more. */
  #cutOff(): void {
    for (const call of this.calls) {
      if (isEstablished(call)) this.#apply(call.id, { type: 'lost', graceMs: this.#line?.graceMs ?? 8000 });
      else if (call.phase === 'incoming') {
        this.#legs.get(call.id)?.abandon();
        this.#apply(call.id, { type: 'end', reason: 'missed' });
      }
    }
  }

  async #takeBack(): Promise<void> {
    for (const call of this.live) if (isEstablished(call) && call.lostUntil !== null) await this.#takeOver(call.id);
  }

  /** INVITE with Replaces: the same call on a new leg. The old leg sounds until the new one is answered, and is
   * then forgotten without a BYE. */
  async #takeOver(id: string): Promise<void> {
    const call = this.get(id);
    const replaces = call?.dialog;
    if (!call || !replaces || !isEstablished(call) || this.#taking.has(id)) return;
    const old = this.#legs.get(id);
    this.#taking.add(id);
    try {
      const stream = await openMicrophone();
      stream.getAudioTracks().forEach((track) => (track.enabled = call.held === null && !call.muted));
      const leg = await this.#line!.call(call.peer.number, stream, replaces);
      this.#bind(id, leg, stream);
      await this.#backIn(id, leg, call.held !== null);
    } catch (error) {
      const reason = error instanceof MicrophoneError ? error.trouble : 'connection';
      this.#apply(id, { type: 'end', reason });
    } finally {
      old?.abandon();
      this.#taking.delete(id);
    }
  }

  #backIn(id: string, leg: Leg, held: boolean): Promise<void> {
    return new Promise((resolve) => {
      leg.listen((event) => {
        if (this.#legs.get(id) !== leg) return resolve();
        if (event.type === 'ended') resolve();
        this.#heard(id, leg, event);
        if (event.type !== 'accepted') return;
        this.#apply(id, { type: 'back' });
        leg.listen((later) => {
          if (this.#legs.get(id) === leg) this.#heard(id, leg, later);
        });
        if (held) void leg.hold(true);
        resolve();
      });
    });
  }

  /** After a reload: the calls that were this tab's and that the server still keeps. */
  async #takeKept(): Promise<void> {
    for (const { kept, muted } of await takeKept()) {
      const peer = { number: kept.peer.number, name: kept.peer.name };
      const since = (kept.answered ?? Date.now() / 1000) * 1000;
      const held = kept.state === 'held';
      const value = keptCall(this.#newId(), kept.direction, peer, since, held, this.#line!.graceMs, Date.now());
      const dialog = { callId: kept.call_id, fromTag: kept.from_tag, toTag: kept.to_tag };
      this.#add({ ...value, muted, dialog });
      this.#giveUpLater(value.id, value.lostUntil!);
      this.#front = held ? this.#front : value.id;
      await this.#takeOver(value.id);
    }
  }
}

export const desk = new Desk();
