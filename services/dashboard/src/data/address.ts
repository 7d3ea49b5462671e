import { useLocation } from 'preact-iso';

/** Parameters of the page's address: what people share and go back to. */
export interface AddressQuery {
  readonly query: URLSearchParams;
  /** Changes some parameters; undefined or '' takes one out. The change replaces the entry in the history unless told. */
  set(changes: Readonly<Record<string, string | undefined>>, options?: { push?: boolean }): void;
  /** The address with some parameters changed. */
  href(changes: Readonly<Record<string, string | undefined>>): string;
}

export function useAddressQuery(): AddressQuery {
  const { url, path, route } = useLocation();
  const query = new URLSearchParams(url.split('?')[1]?.split('#')[0] ?? '');
  const href = (changes: Readonly<Record<string, string | undefined>>) => {
    const next = new URLSearchParams(query);
    for (const [name, value] of Object.entries(changes)) {
      if (value === undefined || value === '') next.delete(name);
      else next.set(name, value);
    }
    const text = next.toString();
    return text === '' ? path : `${path}?${text}`;
  };
  return { query, href, set: (changes, { push = false } = {}) => route(href(changes), !push) };
}
