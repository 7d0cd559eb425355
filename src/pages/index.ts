export { linkPages } from './link-pages.routes.ts';
