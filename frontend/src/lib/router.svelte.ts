/** Where the page is: the address bar is the only memory of it. */

export type Page = 'phone' | 'call' | 'history' | 'settings';
export interface Place {
  page: Page;
  id: string | null;
  query: URLSearchParams;
}

function read(): Place {
  const [first = '', second] = location.pathname.split('/').filter(Boolean);
  const page = (['call', 'history', 'settings'] as const).find((name) => name === first) ?? 'phone';
  return { page, id: second ? decodeURIComponent(second) : null, query: new URLSearchParams(location.search) };
}

let place = $state.raw<Place>(read());
export const here = (): Place => place;

export function go(path: string, options: { replace?: boolean; focus?: boolean } = {}): void {
  if (path === location.pathname + location.search) return;
  history[options.replace ? 'replaceState' : 'pushState'](null, '', path);
  place = read();
  if (options.focus !== false && !options.replace) queueMicrotask(() => document.getElementById('main')?.focus());
}

addEventListener('popstate', () => (place = read()));

/** Own links stay in the page, so that a call is never lost to a click. */
document.addEventListener('click', (event) => {
  if (event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey) return;
  const link = (event.target as Element).closest?.('a[data-in]');
  if (!(link instanceof HTMLAnchorElement)) return;
  event.preventDefault();
  go(link.pathname + link.search);
});
