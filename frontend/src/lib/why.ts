/** From a call that failed to its page in the history. The record comes a moment after the call. */

import { api } from '../api/client';
import type { Call } from '../calls/call';
import { go } from './router.svelte';

export async function openWhy(call: Call): Promise<void> {
  for (let tries = 0; tries < 5; tries += 1) {
    try {
      const { items } = await api.calls({ period: 'today', direction: call.direction });
      const near = items.find(({ peer, dialled, created }) =>
        (peer.number === call.peer.number || dialled === call.peer.number) && Math.abs(created * 1000 - call.created) < 15_000);
      if (near) return go(`/history/${encodeURIComponent(near.id)}`);
    } catch {
      break;
    }
    await new Promise((resolve) => setTimeout(resolve, 400));
  }
  go('/history');
}
