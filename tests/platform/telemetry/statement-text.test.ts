import { describe, expect, it } from '@jest/globals';
import { withoutValues } from '../../../src/platform/database/statement-telemetry.ts';

describe('the text of a statement in a trace', () => {
  it.each([
    [
      `select "u0"."id" from "users" as "u0" where "email_key" = 'a@b.c' limit 1`,
      `select "u0"."id" from "users" as "u0" where "email_key" = ? limit ?`,
    ],
    [`insert into t values ('it''s', E'a\\'b', '\\x00ff', 1.5, $1)`, 'insert into t values (?, ?, ?, ?, $1)'],
    [`select 'two\nlines'`, 'select ?'],
    [`select u2.a1 from u2 where n > 30 and "v7" = $12`, `select u2.a1 from u2 where n > ? and "v7" = $12`],
  ])('has a placeholder for each value: %j', (text, shown) => {
    expect(withoutValues(text)).toBe(shown);
  });
});
