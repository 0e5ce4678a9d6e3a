/** What a tab must remember over a reload: which of the server's calls are its own. */

import { api } from '../api/client';
import type { KeptCall } from '../api/types';
import { isEstablished, type Call } from './call';

const KEY = 'uc.calls';

interface Kept {
  callId: string;
  muted: boolean;
}

function read(): Record<string, Kept> {
  try {
    return JSON.parse(sessionStorage.getItem(KEY) ?? '{}') as Record<string, Kept>;
  } catch {
    return {};
  }
}

export function keep(call: Call): void {
  if (!isEstablished(call) || !call.dialog) return;
  sessionStorage.setItem(KEY, JSON.stringify({ ...read(), [call.id]: { callId: call.dialog.callId, muted: call.muted } }));
}

export function forget(id: string): void {
  const { [id]: _gone, ...rest } = read();
  sessionStorage.setItem(KEY, JSON.stringify(rest));
}

/** The server's list of this extension's calls, cut down to those this tab had; asked only when it had any. */
export async function takeKept(): Promise<{ kept: KeptCall; muted: boolean }[]> {
  const mine = Object.values(read());
  sessionStorage.removeItem(KEY);
  if (!mine.length) return [];
  let calls: KeptCall[] = [];
  try {
    calls = await api.keptCalls();
  } catch {
    return [];
  }
  return calls.flatMap((kept) => {
    const own = mine.find(({ callId }) => callId === kept.call_id);
    return own && kept.state !== 'ringing' ? [{ kept, muted: own.muted }] : [];
  });
}
