import 'reflect-metadata';
import { writeFile } from 'node:fs/promises';
import { lexicographicSortSchema, printSchema } from 'graphql';
import { buildSchema } from './graphql/index.ts';
import { RESOLVERS } from './modules.ts';

/**
 * `npm run schema`: writes schema/schema.graphql. The file is committed, so that a reviewer sees each change of the
 * API.
 */
const schema = await buildSchema({ resolvers: RESOLVERS });
await writeFile('schema/schema.graphql', `${printSchema(lexicographicSortSchema(schema))}\n`);
