/** /events: the server says that something changed, the page fetches it again. Nothing here is a message to keep:
 * after every reconnect the listeners refetch, so a lost push is repaired. */

type Kind = 'calls.changed' | 'extension.changed';
type Listener = () => void;

const listeners = new Map<Kind, Set<Listener>>();
let attempts = 0;
let socket: WebSocket | null = null;

function tell(kind: Kind): void {
  listeners.get(kind)?.forEach((listener) => listener());
}

function connect(): void {
  const scheme = location.protocol === 'https:' ? 'wss' : 'ws';
  const ws = new WebSocket(`${scheme}://${location.host}/events`);
  socket = ws;
  ws.onmessage = ({ data }) => {
    let type = '';
    try {
      type = (JSON.parse(String(data)) as { type?: string }).type ?? '';
    } catch {
      return;
    }
    if (type === 'hello') {
      if (attempts) [...listeners.keys()].forEach(tell);
      attempts = 0;
    } else if (listeners.has(type as Kind)) tell(type as Kind);
  };
  ws.onclose = () => {
    if (socket !== ws) return;
    attempts += 1;
    setTimeout(connect, Math.min(30_000, 500 * 2 ** Math.min(attempts, 6)) * (0.75 + Math.random() / 2));
  };
}

export function startEvents(): void {
  if (!socket) connect();
}

export function onEvent(kind: Kind, listener: Listener): () => void {
  const set = listeners.get(kind) ?? new Set();
  listeners.set(kind, set.add(listener));
  return () => set.delete(listener);
}
