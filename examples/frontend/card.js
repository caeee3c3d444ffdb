// A card on a page: it is added, its rows are read again at each change, its lease is renewed, and
// its state is shown.

import { followRefreshEvents } from "./refresh_events.js";

const TRY_AGAIN = 10; // seconds

/**
 * Show a card until the returned function is called.
 *
 * @param {import("@supabase/supabase-js").SupabaseClient} supabase
 * @param {object} card
 * @param {string} card.url of the project, or of the endpoint
 * @param {string} card.dataType
 * @param {string} card.symbol
 * @param {string} card.table
 * @param {string} [card.schema]
 * @param {string} [card.symbolColumn]
 * @param {() => Promise<string>} card.token the user's access token
 * @param {(rows: object[]) => void} card.showRows
 * @param {(state: {status: string, freshUntil: string | null}) => void} card.showState
 * @param {(line: string) => void} [card.showLine] what the refresher of the key says
 * @param {(error: Error) => void} [card.showError]
 * @returns {() => Promise<void>} what takes the card off the page
 */
export function showCard(supabase, card) {
  const { dataType, symbol, table, schema = "public", symbolColumn = "symbol" } = card;
  const showError = card.showError ?? console.error;
  const stopped = new AbortController();
  let renewal;

  // Takes the lease, and renews it: without that the key is not kept fresh any longer.
  async function renew() {
    const { data, error } = await supabase.functions.invoke("on-card-add", {
      body: { symbol, dataTypes: [dataType] },
    });
    if (stopped.signal.aborted) return;
    let seconds = TRY_AGAIN;
    if (error) {
      seconds = Number(error.context?.headers?.get("Retry-After")) || TRY_AGAIN;
      showError(error);
    } else {
      seconds = data.leaseSeconds / 2;
      card.showState(data.keys[0]);
    }
    renewal = setTimeout(renew, 1000 * seconds);
  }

  let reading = 0;
  async function read() {
    const number = ++reading;
    const { data, error } = await supabase
      .schema(schema)
      .from(table)
      .select()
      .eq(symbolColumn, symbol);
    // An answer that was overtaken by a later one is of no use.
    if (stopped.signal.aborted || number !== reading) return;
    if (error) showError(error);
    else card.showRows(data);
  }

  const channel = supabase
    .channel(`card ${dataType} ${symbol} ${crypto.randomUUID()}`)
    .on(
      "postgres_changes",
      { event: "*", schema, table, filter: `${symbolColumn}=eq.${symbol}` },
      read,
    )
    // What changed before this moment is not told: read now, and after each new connection.
    .subscribe((status) => status === "SUBSCRIBED" && read());

  read();
  renew();
  followRefreshEvents(card.url, {
    keys: [{ dataType, symbol }],
    token: card.token,
    signal: stopped.signal,
    onEvent: (name, data) => {
      if (name === "log") card.showLine?.(data.line);
      else if (data.status) card.showState(data);
    },
  }).catch(showError);

  return async () => {
    stopped.abort();
    clearTimeout(renewal);
    await supabase.removeChannel(channel);
  };
}
