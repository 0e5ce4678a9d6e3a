/** When the offer may leave. No trickle: what is found later the far end learns as peer-reflexive. */

export const AFTER_USABLE = 40;
export const AFTER_ANY = 120;

export interface CandidateLike {
  candidate: string;
  address?: string | null;
  protocol?: string | null;
}

/** A UDP candidate with an address that a server can reach; `.local` names (mDNS) it cannot. */
export function usable({ candidate, address, protocol }: CandidateLike): boolean {
  const fields = candidate.split(' ');
  const host = address ?? fields[4] ?? '';
  const transport = (protocol ?? fields[2] ?? '').toLowerCase();
  return transport === 'udp' && host !== '' && !host.endsWith('.local');
}

/** Calls the `ready` of a gathering once: 40 ms after the first usable candidate (others mostly come in the same
 * millisecond), and never later than 120 ms after the first of any kind. A new gathering brings a new `ready`. */
export class OfferGate {
  #ready: (() => void) | null = null;
  #timers: ReturnType<typeof setTimeout>[] = [];
  #usable = false;

  candidate(candidate: CandidateLike, ready: () => void): void {
    if (ready !== this.#ready) {
      this.close();
      this.#ready = ready;
      this.#usable = false;
      this.#timers.push(setTimeout(ready, AFTER_ANY));
    }
    if (!this.#usable && usable(candidate)) {
      this.#usable = true;
      this.#timers.push(setTimeout(ready, AFTER_USABLE));
    }
  }

  close(): void {
    this.#timers.forEach(clearTimeout);
    this.#timers = [];
  }
}
