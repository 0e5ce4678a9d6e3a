/** The person's own status: a shape and a word, derived from the line and the calls. */

import { desk } from '../calls/desk.svelte';
import { t } from '../i18n/index.svelte';
import { session } from './session.svelte';

export type Status = 'free' | 'call' | 'ring' | 'off';

export function presence(): Status {
  if (desk.line !== 'registered') return 'off';
  return desk.ringing.length ? 'ring' : desk.current ? 'call' : 'free';
}

export function statusWord(): string {
  return desk.line === 'connecting' && session.me?.extension ? t('status.connecting') : t(`status.${presence()}`);
}
