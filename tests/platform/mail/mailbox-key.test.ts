import { describe, expect, it } from '@jest/globals';
import { mailboxKey } from '../../../src/platform/mail/index.ts';

describe('the key by which mails to an address are counted', () => {
  it.each([
    ['Ada@Example.test', 'ada@example.test'],
    ['ada+news@example.test', 'ada@example.test'],
    ['ada+a+b@example.test', 'ada@example.test'],
    ['ada.lovelace@example.test', 'ada.lovelace@example.test'],
    ['a.d.a+x@gmail.com', 'ada@gmail.com'],
    ['Ada@GoogleMail.com', 'ada@gmail.com'],
    ['ada@bücher.example', 'ada@xn--bcher-kva.example'],
    ['ada@xn--bcher-kva.example', 'ada@xn--bcher-kva.example'],
    ['+ada@example.test', '+ada@example.test'],
    ['...@gmail.com', '...@gmail.com'],
  ])('for %s is %s', (address, key) => {
    expect(mailboxKey(address)).toBe(key);
  });
});
