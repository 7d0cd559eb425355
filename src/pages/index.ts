export { googleSignInPage } from './google-sign-in-page.routes.ts';
export { linkPages } from './link-pages.routes.ts';
