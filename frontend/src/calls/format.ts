/** Times and initials as people read them. */

export function clock(ms: number): string {
  const s = Math.max(0, Math.floor(ms / 1000));
  const two = (n: number) => String(n).padStart(2, '0');
  const [h, m] = [Math.floor(s / 3600), Math.floor(s / 60) % 60];
  return h ? `${h}:${two(m)}:${two(s % 60)}` : `${two(m)}:${two(s % 60)}`;
}

/** "2 min 16 s": units that English and Portuguese share. */
export function length(seconds: number): string {
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return `${s} s`;
  if (s < 3600) return s % 60 ? `${Math.floor(s / 60)} min ${s % 60} s` : `${Math.floor(s / 60)} min`;
  return `${Math.floor(s / 3600)} h ${Math.floor(s / 60) % 60} min`;
}

export const shortLength = (seconds: number): string => {
  const s = Math.max(0, Math.round(seconds));
  return s < 3600
    ? `${Math.floor(s / 60)}:${String(s % 60).padStart(2, '0')}`
    : `${Math.floor(s / 3600)}:${String(Math.floor(s / 60) % 60).padStart(2, '0')}:${String(s % 60).padStart(2, '0')}`;
};

/** Two letters for an avatar: "Sales 2" is S2, "Reception" is RE, a bare number its last two digits. */
export function initials(name: string, number = ''): string {
  const words = name.trim().split(/\s+/u).filter(Boolean);
  if (!words.length || /^[+*#\d\s()-]+$/.test(name)) {
    const digits = (number || name).replace(/[^\d*#]/g, '');
    return digits.slice(-2) || '?';
  }
  const letters = [...words[0]!];
  const second = words.length > 1 ? [...words[words.length - 1]!][0]! : (letters[1] ?? '');
  return (letters[0]! + second).toUpperCase();
}

/** What may be sent as a number: visual separators dropped. Null when the text is a name. */
export function dialable(text: string): string | null {
  const bare = text.trim().replace(/[\s().-]/g, '');
  return /^\+?[\d*#]+$/.test(bare) ? bare : null;
}

/** "opus/48000/2" as people write it. */
export function codecName(codec: string | null | undefined): string {
  const name = codec?.split('/')[0] ?? '';
  return { opus: 'Opus', g722: 'G.722', g729: 'G.729' }[name.toLowerCase()] ?? (name || '–');
}
