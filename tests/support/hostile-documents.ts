/** Repeats a text, each time with its number. */
export const times = (count: number, text: (index: number) => string) =>
  Array.from({ length: count }, (_, index) => text(index)).join(' ');

/** A valid document that uses the given text `fold` to the power of `levels` times, by fragments. */
export const multiplied = (fold: number, levels: number, leaf = 'code') =>
  `{ errorCodes { ...F0 } } ${times(levels, (i) => `fragment F${i} on ErrorCodeInfo { ${times(fold, () => `...F${i + 1}`)} }`)} fragment F${levels} on ErrorCodeInfo { ${leaf} }`;

/** A valid document with that many fields. None has an alias, and no name exceeds its own limit. */
export const wide = (fields: number) => {
  const names = ['kind', 'name', 'description', 'specifiedByURL', 'isOneOf', '__typename'];
  const [ofType, ofCode] = [fields - 2 - 80, 80];
  return `{ __type(name: "User") { ${times(ofType, (i) => names[i % names.length] ?? '')} } errorCodes { ${times(ofCode, (i) => ['code', 'retryable'][i % 2] ?? '')} } }`;
};

/** A valid document with that many levels. */
export const deep = (levels: number) =>
  `{ ${times(levels - 1, () => '... on Query {')} __typename ${times(levels - 1, () => '}')} }`;

const FIELDS = 'The document has more than 300 fields.';
const ONE_NAME = 'The document has more than 50 fields of one name.';
const SPREADS = 'The document uses fragments more than 50 times.';
const MUTATIONS = 'A mutation may have at most 5 root fields.';
const EXPANSION = 'The fragments of the document come to more than 1000 fields.';
const ALIASES = 'The document has more than 30 aliases.';
const DIRECTIVES = 'The document has more than 30 directives.';
const DEPTH = 'The document is nested deeper than 15 levels.';
const TOKENS = '2000 tokens. Parsing aborted.';

/**
 * Documents that ask for too much work: their description, their text, and the expected message. Each is
 * valid except for the one limit that it exceeds, or shows that the limit comes before other rules. None may
 * be executed.
 */
export const HOSTILE_DOCUMENTS: readonly (readonly [string, string, string])[] = [
  [
    '51 fragments in one selection',
    `{ errorCodes { ${times(51, (i) => `...F${i}`)} } } ${times(51, (i) => `fragment F${i} on ErrorCodeInfo { ${['code', 'description', 'retryable'][i % 3]} }`)}`,
    SPREADS,
  ],
  [
    'one fragment 195 times',
    `{ errorCodes { ${times(195, () => '...F')} } } fragment F on ErrorCodeInfo { code }`,
    SPREADS,
  ],
  [
    '21 root fields',
    `{ ${times(21, (i) => `f${i}: __typename`)} }`,
    'A query may have at most 20 root fields.',
  ],
  ['6 mutations', `mutation { ${times(6, (i) => `m${i}: logout`)} }`, MUTATIONS],
  [
    '6 mutations by fragments',
    `mutation { ...A ...A } fragment A on Mutation { ${times(3, (i) => `m${i}: logout`)} }`,
    MUTATIONS,
  ],
  [
    '6 mutations in the second of two operations',
    `query A { __typename } mutation B { ${times(6, (i) => `m${i}: logout`)} }`,
    MUTATIONS,
  ],
  ['31 aliases', `{ errorCodes { ${times(31, (i) => `f${i}: code`)} } }`, ALIASES],
  ['600 aliases', `{ errorCodes { ${times(600, (i) => `f${i}: code`)} } }`, FIELDS],
  ['32 aliases by fragments', multiplied(2, 5, 'x: code'), ALIASES],
  ['1,024 fields by 5 fragments', multiplied(4, 5), EXPANSION],
  ['20 doubling fragments', multiplied(2, 20), EXPANSION],
  ['20 doubling fragments with a directive', multiplied(2, 20, 'code @skip(if: false)'), EXPANSION],
  ['32 directives by fragments', multiplied(2, 5, 'code @skip(if: false)'), DIRECTIVES],
  ['31 directives', `{ errorCodes { ${times(31, () => 'code @include(if: true)')} } }`, DIRECTIVES],
  ['an unknown directive 600 times', `{ __typename ${times(600, () => '@x')} }`, DIRECTIVES],
  ['16 levels', deep(16), DEPTH],
  ['300 levels of inline fragments', deep(300), DEPTH],
  ['one name 51 times', `{ errorCodes { ${times(51, () => 'code')} } }`, ONE_NAME],
  [
    '450 fields of one name, each with a selection',
    `{ ${times(450, () => 'errorCodes { code }')} }`,
    ONE_NAME,
  ],
  ['301 fields', wide(301), FIELDS],
  [
    'circular fragments',
    '{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }',
    'Cannot spread fragment "A" within itself via "B".',
  ],
  [
    'nested introspection',
    `{ __schema { types { fields { type { fields { type { fields { type { fields { name } } } } } } } } } }`,
    'Maximum introspection depth exceeded',
  ],
  ['more tokens than 2,000', `{ ${times(1_100, () => '__typename a: __typename')} }`, TOKENS],
  [
    'two sessions',
    'mutation { a: refresh { tokenType } b: refresh { tokenType } }',
    'only one field that issues a session',
  ],
  ['10,000 unknown directives', `{ __typename ${times(10_000, (i) => `@d${i}`)} }`, TOKENS],
  [
    'an argument with a list of 3,000',
    `{ publicProfile(username: [${times(3_000, (i) => `${i}`)}]) { username } }`,
    TOKENS,
  ],
  [
    'a list of lists 900 deep',
    `{ publicProfile(username: ${'['.repeat(900)}${']'.repeat(900)}) { username } }`,
    'A value is nested deeper than 10 levels.',
  ],
  [
    'a string of 60 kB where a name stands',
    `{ publicProfile(usernam: "${'x'.repeat(60_000)}") { username } }`,
    'Unknown argument "usernam"',
  ],
  ['a field name of 60 kB', `{ ${'x'.repeat(60_000)} }`, 'The name of a field has more than 200 characters.'],
  ['300 operations', times(300, (i) => `query Q${i} { __typename }`), ONE_NAME],
  ['a page of 1,000,000,000', '{ users(first: 1000000000) { nodes { id } } }', 'ask for smaller pages'],
];
