/** Who is signed in, and the people of the house. */

import { api, ApiError } from '../api/client';
import type { Me, Person } from '../api/types';
import { setLanguage } from '../i18n/index.svelte';

class Session {
  me = $state<Me | null>(null);
  failed = $state(false);
  people = $state<Person[]>([]);

  async load(): Promise<void> {
    for (let wait = 500; ; wait = Math.min(8000, wait * 2)) {
      try {
        this.me = await api.me();
        this.failed = false;
        break;
      } catch (error) {
        if (error instanceof ApiError && (error.status === 401 || error.status === 403)) {
          location.assign(`/accounts/login/?next=${encodeURIComponent(location.pathname + location.search)}`);
          return;
        }
        this.failed = true;
        await new Promise((resolve) => setTimeout(resolve, wait));
      }
    }
    setLanguage(this.me.user.language);
    void this.loadPeople();
  }

  async loadPeople(): Promise<void> {
    try {
      this.people = await api.people('');
    } catch {
      // Dialling by number works without it.
    }
  }

  nameOf(number: string): string {
    return this.people.find((person) => person.number === number)?.name ?? '';
  }

  get ownName(): string {
    return this.me?.extension?.name || this.me?.user.name || this.me?.user.username || '';
  }
}

export const session = new Session();
