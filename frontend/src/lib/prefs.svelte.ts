/** Choices of this browser: colours, ringing, single keys. */

export type Theme = 'auto' | 'light' | 'dark';

interface Values {
  theme: Theme;
  ring: boolean;
  notify: boolean;
  keys: boolean;
}

const KEY = 'uc.prefs';
const DEFAULTS: Values = { theme: 'auto', ring: true, notify: false, keys: true };

function read(): Values {
  try {
    return { ...DEFAULTS, ...(JSON.parse(localStorage.getItem(KEY) ?? '{}') as Partial<Values>) };
  } catch {
    return DEFAULTS;
  }
}

let values = $state<Values>(read());

function paint(theme: Theme): void {
  if (theme === 'auto') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}
paint(values.theme);

export const prefs = {
  get theme() {
    return values.theme;
  },
  get ring() {
    return values.ring;
  },
  get notify() {
    return values.notify;
  },
  get keys() {
    return values.keys;
  },
  set<K extends keyof Values>(name: K, value: Values[K]): void {
    values = { ...values, [name]: value };
    localStorage.setItem(KEY, JSON.stringify(values));
    if (name === 'theme') paint(values.theme);
  },
};
