import { describe, expect, it } from '@jest/globals';
import { browserFamily } from '../../src/sessions/browser-family.ts';
import {
  type HeldGeneration,
  judgePresentation,
  notesOfEarlierRelease,
  type Place,
  supersede,
} from '../../src/sessions/refresh-contract.ts';

const FIREFOX = 'Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0';
const CHROME =
  'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36';
const HOME = '2001:db8:1::1';
const AWAY = '198.51.100.7';

const home: Place = { ipAddress: HOME, userAgent: FIREFOX };
const onTheRoad: Place = { ipAddress: AWAY, userAgent: FIREFOX };
const otherBrowser: Place = { ipAddress: HOME, userAgent: CHROME };
const stranger: Place = { ipAddress: AWAY, userAgent: CHROME };

const NOW = 1_790_000_000_000;
const DAY = 86_400_000;
const options = { graceSeconds: 30 };

/** A session at generation 5. A refresh from the place `home` made it, the given number of seconds ago. */
const held = (secondsAgo: number, facts: Partial<HeldGeneration> = {}): HeldGeneration => ({
  generation: 5,
  now: NOW,
  rotatedAt: NOW - secondsAgo * 1000,
  place: home,
  notes: {},
  seen: false,
  ...facts,
});
/** The notes after a step-up at the generation. */
const superseded = (generation: number, seen: boolean, notes = {}) =>
  supersede(notes, { generation, to: generation + 1, seen });
const judge = (session: HeldGeneration, generation: number, place: Place = home) =>
  judgePresentation(session, { generation, place }, options);

describe('a presented refresh token', () => {
  it('that is the current one rotates from any place', () => {
    for (const place of [home, stranger]) expect(judge(held(5), 5, place)).toEqual({ outcome: 'rotate' });
  });

  it('of the predecessor within the grace is answered with the same successor', () => {
    expect(judge(held(29.9), 4)).toEqual({ outcome: 'repeat', recorded: null });
    expect(judge(held(29.9, { seen: true }), 4)).toEqual({ outcome: 'repeat', recorded: null });
  });

  it.each([
    ['another network', onTheRoad],
    ['another browser', otherBrowser],
  ])('of the predecessor within the grace from %s is answered once for each generation', (_, place) => {
    const first = judge(held(5), 4, place);
    expect(first).toMatchObject({ outcome: 'repeat', recorded: 'elsewhere', tellOwner: false });
    const notes = 'notes' in first ? first.notes : {};
    expect(judge(held(6, { notes }), 4, place)).toEqual({
      outcome: 'superseded',
      recorded: 'elsewhere again',
      tellOwner: false,
    });
    expect(judge(held(6, { notes }), 4)).toEqual({ outcome: 'repeat', recorded: null });
    const next = judge(held(6, { notes, generation: 6 }), 5, place);
    expect(next).toMatchObject({ outcome: 'repeat', recorded: 'elsewhere', tellOwner: true });
  });

  it('tells the owner of answers in other places, from the second time in a day on', () => {
    const notes = { day: { since: NOW - DAY + 1, elsewhere: 1, late: 0 } };
    expect(judge(held(5, { notes }), 4, onTheRoad)).toMatchObject({ tellOwner: true });
    const yesterday = { day: { since: NOW - DAY, elsewhere: 9, late: 9 } };
    expect(judge(held(5, { notes: yesterday }), 4, onTheRoad)).toMatchObject({
      tellOwner: false,
      notes: { day: { since: NOW, elsewhere: 1, late: 0 } },
    });
  });

  it('of the predecessor from another place is refused from the eleventh time in a day on, and the session lives', () => {
    const notes = (elsewhere: number) => ({ day: { since: NOW - 1, elsewhere, late: 0 } });
    expect(judge(held(5, { notes: notes(9) }), 4, onTheRoad)).toMatchObject({ outcome: 'repeat' });
    expect(judge(held(5, { notes: notes(10) }), 4, onTheRoad)).toEqual({
      outcome: 'superseded',
      recorded: 'elsewhere too often',
      tellOwner: false,
    });
    expect(judge(held(5, { notes: notes(10) }), 4)).toEqual({ outcome: 'repeat', recorded: null });
  });

  it('of the predecessor from another network and another browser is reuse, within the grace too', () => {
    expect(judge(held(1), 4, stranger)).toEqual({ outcome: 'reuse', recorded: 'both differ' });
  });

  it('of the predecessor after the grace is answered once for each generation while the successor was not seen', () => {
    const first = judge(held(30), 4);
    expect(first).toMatchObject({ outcome: 'repeat', recorded: 'late', tellOwner: false });
    const notes = 'notes' in first ? first.notes : {};
    expect(judge(held(500, { notes }), 4)).toMatchObject({ outcome: 'superseded', recorded: 'late again' });
    expect(judge(held(500, { notes, generation: 6 }), 5)).toMatchObject({ outcome: 'repeat' });
  });

  it('after the grace notifies the owner the third time in a day, and is refused from the eleventh time on', () => {
    for (let late = 0; late <= 11; late++) {
      const judged = judge(held(40, { notes: { day: { since: NOW - 1, elsewhere: 0, late } } }), 4);
      expect(judged).toMatchObject(
        late < 10
          ? { outcome: 'repeat', tellOwner: late === 2, notes: { day: { late: late + 1 } } }
          : { outcome: 'refuse', recorded: 'late too often', tellOwner: true },
      );
    }
  });

  it('after the grace from any other place is refused, the session lives, and the owner is told', () => {
    for (const place of [onTheRoad, otherBrowser, stranger]) {
      expect(judge(held(30), 4, place)).toEqual({
        outcome: 'refuse',
        recorded: 'late elsewhere',
        tellOwner: true,
      });
    }
  });

  it('after the grace is reuse once the successor was seen', () => {
    for (const place of [home, onTheRoad, stranger]) {
      expect(judge(held(30, { seen: true }), 4, place)).toEqual({
        outcome: 'reuse',
        recorded: 'successor seen',
      });
    }
  });

  it('is not reuse within the grace of a late answer that the same place got', () => {
    const notes = { givenLate: { generation: 5, at: NOW - 29_999 } };
    expect(judge(held(500, { notes, seen: true }), 4)).toMatchObject({ outcome: 'superseded' });
    expect(judge(held(500, { notes, seen: true }), 4, onTheRoad)).toMatchObject({ outcome: 'reuse' });
    const before = { givenLate: { generation: 5, at: NOW - 30_000 } };
    expect(judge(held(500, { notes: before, seen: true }), 4)).toMatchObject({ outcome: 'reuse' });
  });

  it('that a step-up or a credential change replaced is superseded, and the owner is told of strangers', () => {
    const notes = superseded(4, true);
    for (const seen of [true, false]) {
      for (const secondsAgo of [1, 500]) {
        for (const place of [home, onTheRoad, otherBrowser, stranger]) {
          expect(judge(held(secondsAgo, { notes, seen }), 4, place)).toEqual({
            outcome: 'superseded',
            recorded: 'superseded',
            tellOwner: place === stranger,
          });
        }
      }
    }
  });

  it('that only step-ups have replaced was never used, so presenting it is not reuse', () => {
    const notes = superseded(4, false, superseded(3, true));
    expect(judge(held(500, { notes }), 3)).toMatchObject({ outcome: 'superseded' });
    expect(judge(held(5, { notes }), 2)).toEqual({ outcome: 'reuse', recorded: 'older' });
    expect(judge(held(5, { notes: superseded(4, true, superseded(2, true)) }), 3)).toMatchObject({
      outcome: 'reuse',
    });
  });

  it('that a refresh replaced before a step-up is superseded when the result of that refresh was not seen', () => {
    expect(judge(held(5, { notes: superseded(4, false) }), 3)).toMatchObject({ outcome: 'superseded' });
    expect(judge(held(5, { notes: superseded(4, true) }), 3)).toMatchObject({ outcome: 'reuse' });
    expect(judge(held(5, { notes: superseded(4, false) }), 2)).toMatchObject({ outcome: 'reuse' });
    expect(superseded(0, false)).toEqual({ superseded: { from: 0, to: 1 } });
  });

  it('that is older is reuse at any time and from any place', () => {
    for (const secondsAgo of [1, 500]) {
      for (const place of [home, stranger]) {
        expect(judge(held(secondsAgo), 3, place)).toEqual({ outcome: 'reuse', recorded: 'older' });
      }
    }
  });

  it('that is at most 16 ahead moves the session forward once, and its repetition is superseded', () => {
    const forward = judge(held(500), 21);
    expect(forward).toEqual({ outcome: 'move forward', lost: 16, notes: { movedForwardTo: 22 } });
    const notes = 'notes' in forward ? forward.notes : {};
    const moved = held(1, { generation: 22, notes, seen: true });
    expect(judge(moved, 21)).toEqual({ outcome: 'superseded', recorded: 'moved forward', tellOwner: false });
    expect(judge(moved, 21, stranger)).toMatchObject({ outcome: 'superseded', tellOwner: true });
    expect(judge(held(5, { generation: 23, notes }), 22)).toEqual({ outcome: 'repeat', recorded: null });
  });

  it('that is further ahead is unknown', () => {
    expect(judge(held(1), 22)).toEqual({ outcome: 'unknown' });
  });

  it('has no grace when the setting is 0', () => {
    const none = { graceSeconds: 0 };
    const presented = { generation: 4, place: home };
    expect(judgePresentation(held(0), presented, none)).toMatchObject({
      outcome: 'repeat',
      recorded: 'late',
    });
    expect(judgePresentation(held(0, { seen: true }), presented, none)).toMatchObject({ outcome: 'reuse' });
  });
});

describe('a step-up of an earlier release', () => {
  it('is recognised by the one time that it set, and only in a session that rotated', () => {
    expect(notesOfEarlierRelease(5, true)).toEqual({ superseded: { from: 4, to: 5 } });
    expect(notesOfEarlierRelease(5, false)).toEqual({});
    expect(notesOfEarlierRelease(0, true)).toEqual({});
  });
});

describe('a network', () => {
  const sameNetwork = (one: string | null, other: string | null) => {
    const session = held(5, { place: { ipAddress: one, userAgent: FIREFOX } });
    return judge(session, 4, { ipAddress: other, userAgent: FIREFOX }).outcome === 'repeat'
      ? (judge(session, 4, { ipAddress: other, userAgent: FIREFOX }) as { recorded: unknown }).recorded ===
          null
      : false;
  };

  it.each([
    ['192.0.2.1', '192.0.2.1', true],
    ['192.0.2.1', '192.0.2.2', false],
    ['2001:db8:1:2::1', '2001:db8:1:ffff::2', true],
    ['2001:db8:1::1', '2001:db8:2::1', false],
    [null, null, true],
    [null, '192.0.2.1', false],
  ])('of %s equals that of %s: %s', (one, other, same) => {
    expect(sameNetwork(one, other)).toBe(same);
  });
});

describe('the family of a browser', () => {
  it('ignores the version', () => {
    expect(browserFamily(FIREFOX)).toBe(browserFamily(FIREFOX.replaceAll('143.0', '144.0.1')));
    expect(browserFamily(CHROME)).toBe(browserFamily(CHROME.replace('140', '141')));
    expect(browserFamily('acme-app/1.2 (iPhone; iOS 19) okhttp/4.9')).toBe(
      browserFamily('acme-app/2.0.1-beta (iPhone; iOS 20) okhttp/5.0'),
    );
  });

  it.each([
    [FIREFOX, 'firefox'],
    [
      'Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 FxiOS/143.0 Safari/605.1.15',
      'firefox',
    ],
    [CHROME, 'chrome'],
    ['Mozilla/5.0 (iPhone) AppleWebKit/605.1.15 CriOS/140.0.0.0 Mobile/15E148 Safari/604.1', 'chrome'],
    [`${CHROME} Edg/140.0.0.0`, 'edge'],
    [`${CHROME} OPR/120.0.0.0`, 'opera'],
    [
      'Mozilla/5.0 (Macintosh) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.4 Safari/605.1.15',
      'safari',
    ],
    ['curl/8.5.0', 'curl'],
    ['node', 'node'],
    ['', ''],
    [null, null],
  ])('of %s is %s', (userAgent, family) => {
    expect(browserFamily(userAgent)).toBe(family);
  });
});
