import { describe, expect, it } from 'vitest';
import { canRetry, hungUp, isFailure, ofRecord, refused, withdrawn } from './reasons';

const why = (status: number, phrase = '', cause = '') => refused({ status, phrase, cause });

describe('a refused call', () => {
  it('takes the word of the status', () => {
    expect([404, 480, 486, 488, 503, 603].map((s) => why(s))).toEqual(['unknown', 'offline', 'busy', 'codec', 'unavailable', 'declined']);
    expect(why(599)).toBe('unavailable');
    expect(why(420)).toBe('failed');
  });
  it('believes the phrase before the status, and the cause before both', () => {
    expect(why(503, 'Emergency Calls Not Available')).toBe('emergency');
    expect(why(503, 'No Media Ports')).toBe('ports');
    expect(why(480, 'No Answer')).toBe('no_answer');
    expect(why(480, 'Not Registered', 'busy')).toBe('busy');
    expect(why(486, '', 'a word of tomorrow')).toBe('busy');
  });
});

it('a call answered elsewhere is not missed', () => {
  expect(withdrawn('SIP;cause=200;text="Call completed elsewhere"')).toBe('elsewhere');
  expect(withdrawn('SIP ;cause=487')).toBe('missed');
  expect(withdrawn('')).toBe('missed');
});

it('a hang-up names its cause only when it was a failure', () => {
  expect(hungUp('you', 'media_lost')).toBe('you');
  expect(hungUp('them', 'normal')).toBe('them');
  expect(hungUp('them', '')).toBe('them');
  expect(hungUp('them', 'media_lost')).toBe('sound');
  expect(hungUp('them', 'declined')).toBe('declined');
});

it('says for six seconds what was wished, and failures until they are dismissed', () => {
  expect(isFailure('them')).toBe(false);
  expect(isFailure('cancelled')).toBe(false);
  expect(isFailure('busy')).toBe(true);
  expect(isFailure(null)).toBe(false);
});

it('offers another try only where one can help', () => {
  expect(['busy', 'offline', 'unknown'].map((r) => canRetry(r as never))).toEqual([true, true, true]);
  expect(['emergency', 'forbidden', 'no_extension'].some((r) => canRetry(r as never))).toBe(false);
});

it('reads the record of a call', () => {
  expect(ofRecord({ result: 'answered', status: 200, cause: 'normal' })).toBeNull();
  expect(ofRecord({ result: 'answered', status: 408, cause: 'media_lost' })).toBe('sound');
  expect(ofRecord({ result: 'missed', status: 408, cause: null })).toBe('no_answer');
  expect(ofRecord({ result: 'failed', status: 488, cause: 'sip_488' })).toBe('codec');
});
