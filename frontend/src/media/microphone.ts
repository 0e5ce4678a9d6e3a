/** The microphone, and what is wrong with it in one word. Asked for at the first call or test, never on load. */

import type { Reason } from '../calls/reasons';
import { api } from '../api/client';
import { devices } from './devices.svelte';

export type Trouble = Extract<Reason, `mic_${string}`>;

export class MicrophoneError extends Error {
  constructor(
    readonly trouble: Trouble,
    detail: string,
  ) {
    super(detail);
  }
}

/** DOMException names of getUserMedia, as browsers throw them. */
const NAMES: Record<string, Trouble> = {
  NotFoundError: 'mic_none', DevicesNotFoundError: 'mic_none', OverconstrainedError: 'mic_none',
  NotAllowedError: 'mic_blocked', PermissionDeniedError: 'mic_blocked', SecurityError: 'mic_blocked',
  NotReadableError: 'mic_used', TrackStartError: 'mic_used', AbortError: 'mic_used',
};

export const troubleOf = (name: string): Trouble => NAMES[name] ?? 'mic_failed';

const wanted = (deviceId: string): MediaTrackConstraints => ({
  echoCancellation: true, noiseSuppression: true, autoGainControl: true,
  ...(deviceId ? { deviceId: { exact: deviceId } } : {}),
});

export async function openMicrophone(): Promise<MediaStream> {
  if (!window.isSecureContext || !navigator.mediaDevices?.getUserMedia) {
    throw new MicrophoneError('mic_insecure', location.origin);
  }
  const ask = (id: string) => navigator.mediaDevices.getUserMedia({ audio: wanted(id), video: false });
  try {
    let stream: MediaStream;
    try {
      stream = await ask(devices.microphone);
    } catch (error) {
      // The chosen one is unplugged: any other is better than no call.
      if (!devices.microphone || (error as DOMException).name !== 'OverconstrainedError') throw error;
      stream = await ask('');
    }
    void devices.refresh();
    return stream;
  } catch (error) {
    const { name, message } = error as DOMException;
    const trouble = troubleOf(name);
    void api.diagnose(trouble, `${name}: ${message}`.slice(0, 200)).catch(() => {});
    throw new MicrophoneError(trouble, name);
  }
}

export const browserName = (): 'chrome' | 'firefox' | 'safari' =>
  /firefox/i.test(navigator.userAgent) ? 'firefox'
    : /safari/i.test(navigator.userAgent) && !/chrom/i.test(navigator.userAgent) ? 'safari' : 'chrome';
