/** Which microphone, speaker and ringer this browser uses. Labels are known only after the microphone was allowed. */

const KEY = 'uc.devices';

interface Choice {
  microphone: string;
  speaker: string;
  ringer: string;
}

function kept(): Choice {
  const none = { microphone: '', speaker: '', ringer: '' };
  try {
    return { ...none, ...(JSON.parse(localStorage.getItem(KEY) ?? '{}') as Partial<Choice>) };
  } catch {
    return none;
  }
}

class Devices {
  inputs = $state<MediaDeviceInfo[]>([]);
  outputs = $state<MediaDeviceInfo[]>([]);
  /** Labels are visible: the microphone has been allowed. */
  known = $state(false);
  /** A device that was plugged in while this page was open; asked about, never switched to. */
  fresh = $state<MediaDeviceInfo | null>(null);
  #choice = $state<Choice>(kept());

  get microphone(): string {
    return this.#choice.microphone;
  }
  get speaker(): string {
    return this.#choice.speaker;
  }
  get ringer(): string {
    return this.#choice.ringer;
  }

  choose(kind: keyof Choice, id: string): void {
    this.#choice = { ...this.#choice, [kind]: id };
    localStorage.setItem(KEY, JSON.stringify(this.#choice));
  }

  get label(): string {
    const chosen = this.inputs.find(({ deviceId }) => deviceId === this.microphone);
    return (chosen ?? this.inputs[0])?.label ?? '';
  }

  async refresh(): Promise<void> {
    if (!navigator.mediaDevices?.enumerateDevices) return;
    const all = await navigator.mediaDevices.enumerateDevices();
    const inputs = all.filter(({ kind, deviceId }) => kind === 'audioinput' && deviceId !== 'communications');
    if (this.known) {
      const before = new Set(this.inputs.map(({ deviceId }) => deviceId));
      this.fresh = inputs.find(({ deviceId }) => deviceId !== 'default' && !before.has(deviceId)) ?? null;
    }
    this.inputs = inputs;
    this.outputs = all.filter(({ kind, deviceId }) => kind === 'audiooutput' && deviceId !== 'communications');
    this.known = inputs.some(({ label }) => label !== '');
  }
}

export const devices = new Devices();
navigator.mediaDevices?.addEventListener?.('devicechange', () => void devices.refresh());
void devices.refresh();
