import { setting, settingsSection } from '../platform/setting-declaration.ts';
import { flag } from '../platform/setting-parsers.ts';

/** The GraphQL server. */
export const GRAPHQL_SETTINGS = settingsSection({
  title: 'Server',
  settings: {
    introspection: setting('GRAPHQL_INTROSPECTION', {
      parse: flag,
      defaultFrom: { text: 'on, off in production', value: ({ production }) => !production },
      description: 'Whether clients may read the schema.',
    }),
  },
  config: (graphql) => ({ graphql }),
});
