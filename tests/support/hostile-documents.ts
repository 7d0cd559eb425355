/** A text many times over, each time with its number. */
export const times = (count: number, text: (index: number) => string) =>
  Array.from({ length: count }, (_, index) => text(index)).join(' ');
const doubling = (levels: number, leaf: string) =>
  `{ ...F0 } ${times(levels, (i) => `fragment F${i} on Query { ...F${i + 1} ...F${i + 1} }`)} fragment F${levels} on Query { ${leaf} }`;

/** Documents that ask for more work than they are worth: what they do, and their text. None may be executed. */
export const HOSTILE_DOCUMENTS: readonly (readonly [string, string])[] = [
  ['21 root fields', `{ ${times(21, (i) => `f${i}: __typename`)} }`],
  ['6 mutations', `mutation { ${times(6, (i) => `m${i}: logout`)} }`],
  [
    '6 mutations by fragments',
    `mutation { ...A ...A } fragment A on Mutation { ${times(3, (i) => `m${i}: logout`)} }`,
  ],
  [
    '6 mutations in the second of two operations',
    `query A { __typename } mutation B { ${times(6, (i) => `m${i}: logout`)} }`,
  ],
  ['31 aliases', `{ errorCodes { ${times(31, (i) => `f${i}: code`)} } }`],
  ['1,500 aliases', `{ errorCodes { ${times(600, (i) => `f${i}: code`)} } }`],
  ['aliases multiplied by fragments', doubling(8, 'x: __typename')],
  ['20 doubling fragments', doubling(20, '__typename')],
  ['20 doubling fragments with a directive', doubling(20, '__typename @skip(if: false)')],
  ['31 directives', `{ __typename ${times(31, () => '@include(if: true)')} }`],
  ['an unknown directive 600 times', `{ __typename ${times(600, () => '@x')} }`],
  ['16 levels', `{ ${times(16, () => 'a {')} a ${times(16, () => '}')} }`],
  [
    '300 levels of inline fragments',
    `{ ${times(300, () => '... on Query {')} __typename ${times(300, () => '}')} }`,
  ],
  ['one name 51 times', `{ errorCodes { ${times(51, () => 'code')} } }`],
  ['450 fields of one name, each with a selection', `{ ${times(450, () => 'errorCodes { code }')} }`],
  ['301 fields', `{ errorCodes { ${times(7, (i) => times(43, (j) => `field${i}x${j}`))} } }`],
  ['circular fragments', '{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }'],
  [
    'nested introspection',
    `{ __schema { types { fields { type { fields { type { fields { type { fields { name } } } } } } } } } }`,
  ],
  ['more tokens than 2,000', `{ ${times(1_100, () => '__typename a: __typename')} }`],
  ['two sessions', 'mutation { a: refresh { tokenType } b: refresh { tokenType } }'],
  ['10,000 unknown directives', `{ __typename ${times(10_000, (i) => `@d${i}`)} }`],
  [
    'an argument with a list of 3,000',
    `{ publicProfile(username: [${times(3_000, (i) => `${i}`)}]) { username } }`,
  ],
  [
    'a list of lists 900 deep',
    `{ publicProfile(username: ${'['.repeat(900)}${']'.repeat(900)}) { username } }`,
  ],
  [
    'a string of 60 kB where a name stands',
    `{ publicProfile(usernam: "${'x'.repeat(60_000)}") { username } }`,
  ],
  ['a field name of 60 kB', `{ ${'x'.repeat(60_000)} }`],
  ['300 operations', times(300, (i) => `query Q${i} { __typename }`)],
];
