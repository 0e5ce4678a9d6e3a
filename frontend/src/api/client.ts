/** The HTTP API with the session cookie. A failure is an ApiError; status 0 means that no answer came. */

import type { CallPage, CallRecord, KeptCall, Me, Person, SipAccount, Trace } from './types';

export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly detail: string,
  ) {
    super(`${status} ${detail}`);
  }
}

export const csrfToken = (): string => /(?:^|;\s*)csrftoken=([^;]+)/.exec(document.cookie)?.[1] ?? '';

function detailOf(body: unknown): string {
  if (typeof body !== 'object' || body === null) return '';
  const { detail, message } = body as { detail?: unknown; message?: unknown };
  return typeof detail === 'string' ? detail : typeof message === 'string' ? message : '';
}

async function call<T>(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<T> {
  let response: Response;
  try {
    response = await fetch(`/api/v1${path}`, {
      method,
      signal: signal ?? AbortSignal.timeout(10_000),
      credentials: 'same-origin',
      cache: 'no-store',
      headers: {
        Accept: 'application/json',
        ...(method === 'GET' ? {} : { 'Content-Type': 'application/json', 'X-CSRFToken': csrfToken() }),
      },
      body: body === undefined ? null : JSON.stringify(body),
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError(0, '');
  }
  const data: unknown = response.headers.get('Content-Type')?.includes('json') ? await response.json() : null;
  if (!response.ok) throw new ApiError(response.status, detailOf(data));
  // A sign-in page instead of JSON: the session is over.
  if (data === null && response.status !== 204 && method === 'GET') throw new ApiError(401, '');
  return data as T;
}

export interface CallQuery {
  period?: string;
  result?: string;
  direction?: string;
  q?: string;
  who?: string;
  sort?: string;
  cursor?: string;
  /** The page's time zone, in which "today" begins. */
  tz?: string;
}

function query(values: object): string {
  const pairs = Object.entries(values as Record<string, string | undefined>).filter(([, v]) => v);
  return pairs.length ? `?${new URLSearchParams(pairs as [string, string][])}` : '';
}

export const api = {
  me: () => call<Me>('GET', '/me'),
  setMe: (changes: { language?: string; name?: string }) => call<Me>('PATCH', '/me', changes),
  setPassword: (old: string, fresh: string) => call<unknown>('POST', '/me/password', { old, new: fresh }),
  sip: () => call<SipAccount>('GET', '/me/sip'),
  keptCalls: () => call<KeptCall[]>('GET', '/me/calls'),
  people: (q: string, signal?: AbortSignal) => call<Person[]>('GET', `/people${query({ q })}`, undefined, signal),
  calls: (filter: CallQuery) => call<CallPage>('GET', `/calls${query({ tz: Intl.DateTimeFormat().resolvedOptions().timeZone, ...filter })}`),
  call: (id: string) => call<CallRecord>('GET', `/calls/${encodeURIComponent(id)}`),
  trace: (id: string) => call<Trace>('GET', `/calls/${encodeURIComponent(id)}/messages`),
  diagnose: (kind: string, detail: string) => call<unknown>('POST', '/me/diagnostics', { kind, detail }),
};
