/** The name under which this tab registers (RFC 5626 +sip.instance). It is kept per browser, so that a reload
 * replaces its own registration; a second tab takes the second name. Web Locks say which are taken. */

const KEY = 'uc.instances';
const SLOT = 'uc.slot';
const SLOTS = 8;

function uuid(): string {
  if (typeof crypto.randomUUID === 'function') return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6]! & 0x0f) | 0x40;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  const hex = [...bytes].map((b) => b.toString(16).padStart(2, '0')).join('');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}

function names(): string[] {
  let list: string[] = [];
  try {
    list = JSON.parse(localStorage.getItem(KEY) ?? '[]') as string[];
  } catch {
    // A broken entry is replaced below.
  }
  if (!Array.isArray(list)) list = [];
  while (list.length < SLOTS) list.push(uuid());
  localStorage.setItem(KEY, JSON.stringify(list));
  return list;
}

/** Hold the lock of a slot for the life of the page; false when another tab holds it. */
function take(slot: number, waitMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    const held = (lock: Lock | null) => {
      resolve(lock !== null);
      return lock ? new Promise<void>(() => {}) : undefined;
    };
    const name = `uc.sip.${slot}`;
    const request = waitMs
      ? navigator.locks.request(name, { signal: AbortSignal.timeout(waitMs) }, held)
      : navigator.locks.request(name, { ifAvailable: true }, held);
    request.catch(() => resolve(false));
  });
}

export async function instanceId(): Promise<string> {
  const list = names();
  if (!navigator.locks) return list[0]!;
  // After a reload the old document may still hold our slot for an instant.
  const mine = Number(sessionStorage.getItem(SLOT) ?? -1);
  if (mine >= 0 && mine < SLOTS && (await take(mine, 400))) return list[mine]!;
  for (let slot = 0; slot < SLOTS; slot += 1) {
    if (slot !== mine && (await take(slot, 0))) {
      sessionStorage.setItem(SLOT, String(slot));
      return list[slot]!;
    }
  }
  return uuid();
}
