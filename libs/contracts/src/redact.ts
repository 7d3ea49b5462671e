const URL_PASSWORD = /(\b[a-z][a-z0-9+.-]{0,30}:\/\/[^\s/:@"\\]{0,256}):[^\s/@"\\]{1,1024}@/gi;
const BEARER = /\b(bearer) +[A-Za-z0-9._~+/=-]{8,}/gi;

/** The text with the passwords of URLs and the tokens of authorization headers replaced. */
export function hidePasswords(text: string): string {
  return text.replace(URL_PASSWORD, '$1:***@').replace(BEARER, '$1 ***');
}
