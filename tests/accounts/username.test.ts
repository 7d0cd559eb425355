import { describe, expect, it } from '@jest/globals';
import { parseUsername, usernameKey } from '../../src/accounts/username.ts';
import { usernameSkeletons } from '../../src/accounts/username-skeleton.ts';

const skeletons = (text: string) => parseUsername(text, { reserved: true }).skeletons;
const looksLike = (one: string, other: string) =>
  skeletons(one).some((skeleton) => skeletons(other).includes(skeleton));
const problemOf = (text: string) => {
  try {
    parseUsername(text);
    return null;
  } catch (error) {
    return (error as Error).message;
  }
};

describe('a username', () => {
  it.each([
    ['a Cyrillic letter among Latin ones', '\u0430dmin', /one modern script/],
    ['a Greek letter among Latin ones', 'r\u03BFot', /one modern script/],
    ['Kanji among Latin letters', 'bob\u82B1\u5B50', /one modern script/],
    ['Runes', '\u16A0\u16A2\u16A6', /one modern script/],
    ['Arabic digits among Latin letters', 'abc\u0663', /one modern script/],
    ['digits of two kinds', '\u0928\u092E1\u0967', /digits of one kind/],
    ['an accent that strikes a letter through', 'a\u0336bc', /one modern script/],
    ['a sign that surrounds a letter', 'a\u20DDbc', /one modern script/],
    ['a dot at its end', 'admin.', /begins and ends/],
    ['a dash at its beginning', '-anna', /begins and ends/],
    ['only dots', '...', /begins and ends/],
    ['only apostrophes', '\u02BB\u02BC\u02BB', /has a letter/],
    ['31 accents', `a${'\u0301\u0302'.repeat(15)}\u0303`, /at most two accents/],
    ['the same accent twice', 'ab\u0315\u0315c', /at most two accents/],
    ['three accents on a letter', 'b\u0300\u0302\u0303cd', /at most two accents/],
    ['an accent on a dash', 'a-\u0301b', /at most two accents/],
    ['a digit in front of Hebrew', '1\u05D0\u05D1', /begins with a letter/],
  ])('does not contain %s', (_, username, problem) => {
    expect(problemOf(username)).toMatch(problem);
  });

  it.each([
    'Ångström',
    'Nguyễn-Đặng',
    'İbrahim',
    'O\u02BBzbek',
    'straße_7',
    'Ольга',
    'Ἀριστοτέλης',
    '花子さん',
    '注音ㄅㄆ',
    '김철수',
    'नमस्ते',
    'हूँहूँ',
    'น้ำฝน',
    'မြန်မာ',
    'አማርኛ',
    'ადმინი',
    'אבגד-2',
    'علي٣',
    '\u0254\u0303\u0301fo',
    '123',
    'x.y_z-0',
  ])('may contain %s', (username) => {
    expect(problemOf(username)).toBeNull();
  });

  it.each([
    'admin',
    'ADMIN',
    'ADM\u0130N',
    'ADMlN',
    'adm1n',
    'adm\u0131n',
    'r00t',
    'supp0rt',
    'webrnaster',
    'nu11',
    's.u-p_port',
  ])('is reserved when it looks like a reserved one, such as %s', (username) => {
    expect(problemOf(username)).toMatch(/reserved/);
    expect(parseUsername(username, { reserved: true })).toMatchObject({ username });
  });
});

describe('usernames', () => {
  it.each([
    ['a capital i and an l', 'paypaI', 'paypal'],
    ['a one and an l', 'wil1', 'will'],
    ['a zero and an o', 'b0b', 'Bob'],
    ['rn and m', 'rnax', 'max'],
    ['an i without and with a dot', '\u0131an', 'Ian'],
    ['a dot on a dot', 'ali\u0307ce', 'alice'],
    ['all Cyrillic and all Latin', '\u0430\u0440\u0440\u043B\u0435'.replace('\u043B', '\u04CF'), 'apple'],
    ['Cyrillic capitals and Latin letters', '\u0412\u041E\u0412\u0410', 'Boba'],
    ['all Greek and all Latin', '\u03BF\u03BF\u03BF', 'ooo'],
  ])('look alike by %s', (_, one, other) => {
    expect(looksLike(one, other)).toBe(true);
    expect(looksLike(other, one)).toBe(true);
  });

  it.each([
    ['lisa', 'ilsa'],
    ['ali', 'all'],
    ['anna', 'hanna'],
    ['jose', 'jos\u00E9'],
    ['max', 'nax'],
    ['user.1', 'user-1'],
  ])('do not look alike: %s and %s', (one, other) => {
    expect(looksLike(one, other)).toBe(false);
  });
});

it('the skeleton of a skeleton is the same skeleton', () => {
  for (let point = 0x21; point < 0x1_0000; point += 1) {
    const character = String.fromCodePoint(point);
    if (!/[\p{L}\p{N}]/u.test(character)) continue;
    for (const skeleton of usernameSkeletons(character, character.toLowerCase())) {
      expect(usernameSkeletons(skeleton, skeleton)).toEqual([skeleton]);
    }
  }
});

it('stored names that are older than the rules are found by their key', () => {
  for (const [name, key] of [
    ['Admin.', 'admin.'],
    ['_x_', '_x_'],
    ['\u0410dmin', '\u0430dmin'],
  ]) {
    expect(usernameKey(name ?? '')).toBe(key);
  }
});
