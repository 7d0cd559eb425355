import { describe, expect, it } from '@jest/globals';
import {
  checkPassword,
  MAX_PASSWORD_BYTES,
  type PasswordContext,
  passwordSizeProblem,
} from '../../src/passwords/password-policy.ts';

const check = (password: string, context: PasswordContext = { productName: 'gatehouse' }, minLength = 12) =>
  checkPassword(password, { minLength, context });

describe('length (SP 800-63B-4 section 3.1.1.2)', () => {
  it('counts code points: an emoji of four bytes is one character', () => {
    expect(check('🦊🐢🌵🍋🎻⛵🧭🪁🔭🧲🎈')).toMatch(/at least 12/);
    expect(check('🦊🐢🌵🍋🎻⛵🧭🪁🔭🧲🎈🧵')).toBeNull();
    expect(check('😀'.repeat(14), {}, 15)).toMatch(/at least 15/);
    expect(check('😀'.repeat(15), {}, 15)).toBeNull();
  });

  it('counts the typed or the normalised characters, whichever are fewer', () => {
    expect(check('pe\u0301ro\u0301n dusk')).toMatch(/at least 12/);
    // U+FDFA becomes eighteen letters under NFKC.
    expect(check('\uFDFA')).toMatch(/at least 12/);
  });

  it('follows the configured minimum', () => {
    expect(check('vex moss lamp', {}, 15)).toMatch(/at least 15/);
    expect(check('vex moss lamps', {}, 14)).toBeNull();
  });

  it('allows 256 characters and 1024 bytes, and no more', () => {
    const distinct = Array.from({ length: 256 }, (_, index) =>
      String.fromCodePoint(0x1_f300 + ((index * 37) % 256)),
    );
    expect(check(distinct.join(''))).toBeNull();
    expect(Buffer.byteLength(distinct.join(''))).toBe(MAX_PASSWORD_BYTES);
    expect(check(`${distinct.join('')}a`)).toMatch(/at most 256/);
    expect(passwordSizeProblem('a'.repeat(257))).toMatch(/at most 256/);
    expect(check('😀'.repeat(64))).toBeNull();
  });
});

describe('no composition rules, no silent edits', () => {
  it.each([
    'correct horse battery staple',
    'banana boat sails tomorrow',
    'quietlampsbelowthefrost',
    'vjqzhwmxkpfdrtyabnco',
    ' two spaces at the ends ',
    'над рекой тихо плывёт луна',
    'zażółć gęślą jaźń',
    '霜降りの朝に鶴が三羽歩いた',
    'lantern 🦊 orchard 🐢',
    'k8#Vt!q2Zp0w',
  ])('accepts %j', (password) => {
    expect(check(password)).toBeNull();
  });

  it('accepts three dictionary words with any separator', () => {
    const words = [
      'gravel',
      'ovation',
      'thimble',
      'mustard',
      'unlaced',
      'pelican',
      'stopwatch',
      'ferry',
      'clutch',
    ];
    for (const separator of [' ', '-', '.', '']) {
      for (let index = 0; index + 3 <= words.length; index += 1) {
        expect(check(words.slice(index, index + 3).join(separator))).toBeNull();
      }
    }
  });
});

describe('passwords that attackers guess first', () => {
  it.each([
    ['listed', ['1qaz2wsx3edc', 'leavemealone', 'iseedeadpeople', 'thisisapassword', 'needforspeed']],
    ['listed, in another case', ['LeaveMeAlone', 'JUSTINBIEBER', 'ＬｅａｖｅＭｅＡｌｏｎｅ']],
    ['listed, with separators', ['leave me alone', 'to be or not to be', 'need-for-speed']],
    [
      'padded',
      ['password1234', 'Password2024!!', '!!!!dragon!!!!', 'qwerty123456!', 'anna19880512', 'Winter2025!!!'],
    ],
    ['padded at length', ['monkey99999999999999', 'superman123456789!!!!!!!']],
    ['spelt with digits and symbols', ['P4$$w0rd2024!', 'pa$$w0rdpa$$w0rd', '$uperman2024!!']],
    ['two joined', ['iloveyouforever', 'dragon-monkey-1', 'summer2024summer', 'shadowmaster99']],
    ['one twice', ['iloveyou iloveyou', 'trustno1trustno1', 'abc123abc123!']],
    ['repeated', ['a'.repeat(20), 'abcabcabcabc', 'abcabcabcabcab', '12121212121212', 'я'.repeat(15)]],
    [
      'sequences',
      [
        '123456789012345',
        '987654321098',
        'abcdefghijklmn',
        'zyxwvutsrqpo',
        '112233445566',
        'abcdefgh12345678',
      ],
    ],
    [
      'keyboard walks',
      ['qwertyuiopasdfgh', 'asdfghjkl;12345', '1q2w3e4r5t6y7u', 'йцукенгшщзхъ', '!@#$%^&*()_+'],
    ],
  ])('are refused: %s', (_, passwords) => {
    for (const password of passwords) {
      expect([password, check(password)]).toEqual([password, expect.stringMatching(/another one/)]);
    }
  });

  it('are never repeated in the error', () => {
    expect(check('leavemealone')).not.toContain('leavemealone');
  });
});

describe('words of the account (ASVS 6.1.2, 6.2.11)', () => {
  const context = { username: 'Rosalind', email: 'r.franklin@example.test', productName: 'gatehouse' };

  it.each(['rosalind likes helices', 'xx-ROSALIND-xx-77', 'ｒｏｓａｌｉｎｄ at dusk'])(
    'refuses the username in %j',
    (password) => {
      expect(check(password, context)).toMatch(/username/);
    },
  );

  it.each(['R.Franklin@example.test', 'with r.franklin inside'])('refuses the address in %j', (password) => {
    expect(check(password, context)).toMatch(/e-mail address/);
  });

  it('accepts names of three letters as part of other words', () => {
    const short = { username: 'ana', email: 'ana@example.test' };
    expect(check('banana boat sails tomorrow', short)).toBeNull();
    expect(check('my ana@example.test box', short)).toMatch(/e-mail address/);
  });

  it.each(['Gatehouse2026', 'gatehouse-gatehouse', 'G4tehouse!2026', '2026gatehouse!!'])(
    'refuses the product name with few characters beside it: %j',
    (password) => {
      expect(check(password, context)).toMatch(/name of this service/);
    },
  );

  it('accepts the product name as one word of several', () => {
    expect(check('the gatehouse by the canal', context)).toBeNull();
  });

  it('works without any context', () => {
    expect(check('rosalind likes helices', {})).toBeNull();
    expect(check('rosalind likes helices', { username: '', email: '' })).toBeNull();
  });
});

describe('input that is slow to process', () => {
  it.each([MAX_PASSWORD_BYTES + 1, 100 * 1024, 1024 * 1024])(
    'is refused by its size alone: %d bytes',
    (bytes) => {
      for (const password of ['x'.repeat(bytes), 'é'.repeat(bytes / 2 + 1)]) {
        expect(passwordSizeProblem(password)).toMatch(/1024 bytes/);
        expect(check(password)).toBe(passwordSizeProblem(password));
      }
    },
  );

  it('is refused when it has lone surrogates, which have no UTF-8', () => {
    expect(passwordSizeProblem('lantern \ud800 orchard')).toMatch(/Unicode/);
    expect(check('lantern \udc00 orchard')).toMatch(/Unicode/);
  });

  it('is only limited in size at login, so that short passwords are compared', () => {
    expect(passwordSizeProblem('')).toBeNull();
    expect(passwordSizeProblem('short')).toBeNull();
  });
});
