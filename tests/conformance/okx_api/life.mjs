// okx-api, unchanged, trades a whole life. Prints one JSON object with what the client parsed; the Python side judges it.
// Arguments: main URL, socket URL, admin URL, api key, secret, passphrase.
import { RestClient, WebsocketClient } from 'okx-api';

const [rest, sockets, admin, apiKey, apiSecret, apiPass] = process.argv.slice(2);
const BTC = 'BTC-USDT-SWAP';
const quiet = { trace() {}, info() {}, error: console.error };
const client = new RestClient({ apiKey, apiSecret, apiPass, baseUrl: rest, demoTrading: true });
// One socket for every channel: the client has one wsUrl for all endpoints.
const socket = new WebsocketClient({ accounts: [{ apiKey, apiSecret, apiPass }], wsUrl: `${sockets}/all` }, quiet);

const heard = {};
socket.on('update', (message) => {
  const channel = message.arg?.channel;
  if (channel) (heard[channel] ??= []).push(...message.data);
});
const errors = [];
socket.on('exception', (problem) => errors.push(problem));
process.on('unhandledRejection', (problem) => { console.error(problem); process.exit(1); });

async function own(path, body) {
  const answer = await fetch(`${admin}/paper/${path}`, { method: 'POST', body: JSON.stringify(body) });
  return answer.json();
}
const advance = () => own('advance', { bars: 1 });
const pause = (ms) => new Promise((done) => setTimeout(done, ms));
async function until(what, found) {
  for (let turn = 0; turn < 1000; turn += 1) {
    if (await found()) return;
    await pause(10);
  }
  throw new Error(`never: ${what}; errors ${JSON.stringify(errors)}`);
}
async function play(what, found) {
  for (let bar = 0; bar < 2000; bar += 1) {
    if (await found()) return;
    await advance();
  }
  throw new Error(`market never got there: ${what}`);
}
const pushed = (channel, fields) =>
  (heard[channel] ?? []).find((row) => Object.entries(fields).every(([key, value]) => row[key] === value));

const result = {};
socket.subscribe([
  { channel: 'orders', instType: 'SWAP' },
  { channel: 'positions', instType: 'SWAP' },
  { channel: 'account' },
  { channel: 'orders-algo', instType: 'SWAP' },
  { channel: 'tickers', instId: BTC },
  { channel: 'candle5m', instId: BTC },
]);
await until('subscriptions', () => heard.account && heard.positions && heard.tickers && heard.candle5m);

[result.leverage] = await client.setLeverage({ instId: BTC, lever: '3', mgnMode: 'isolated' });
const last = Number((await client.getTicker({ instId: BTC }))[0].last);
const px = (factor) => (last * factor).toFixed(1);
const order = { instId: BTC, tdMode: 'isolated' };

// Place, amend, cancel.
await client.submitOrder({ ...order, side: 'buy', ordType: 'limit', sz: '2', px: px(0.98), clOrdId: 'node1' });
await client.amendOrder({ instId: BTC, clOrdId: 'node1', newSz: '3', newPx: px(0.985) });
[result.resting] = await client.getOrderList({ instType: 'SWAP' });
await client.cancelOrder({ instId: BTC, clOrdId: 'node1' });
await until('cancelled', () => pushed('orders', { clOrdId: 'node1', state: 'canceled' }));

// A refusal is what the client makes of code 1.
result.refusal = await client
  .submitOrder({ ...order, side: 'buy', ordType: 'market', sz: '11000' })
  .then(() => null, (problem) => problem);

// Partly filled, with stop and target attached.
await own('faults', { name: 'partial_fill', path: '/trade/order$', share: 0.25 });
await client.submitOrder({
  ...order, side: 'buy', ordType: 'limit', sz: '4', px: px(1.004), clOrdId: 'node2',
  attachAlgoOrds: [{ slTriggerPx: px(0.99), slOrdPx: '-1', tpTriggerPx: px(1.01), tpOrdPx: '-1' }],
});
[result.partly] = await client.getOrderDetails({ instId: BTC, clOrdId: 'node2' });
await play('filled', async () => (await client.getOrderDetails({ instId: BTC, clOrdId: 'node2' }))[0].state === 'filled');
[result.held] = await client.getPositions({ instId: BTC });
[result.bracket] = await client.getAlgoOrderList({ ordType: 'oco' });

// One leg is touched.
await play('triggered', async () => (await client.getAlgoOrderList({ ordType: 'oco' })).length === 0);
await until('effective', () => pushed('orders-algo', { state: 'effective' }));
result.fired = pushed('orders-algo', { state: 'effective' });
await until('flat', () => pushed('positions', { pos: '0' }));

// An order over the socket, closed by one call.
result.operation = await socket.sendWSAPIRequest('prodPrivate', 'order', {
  ...order, side: 'sell', ordType: 'market', sz: '2', clOrdId: 'node3',
}).then((answer) => answer, (problem) => ({ problem: problem?.message ?? problem }));
await until('sold', () => pushed('orders', { clOrdId: 'node3', state: 'filled' }));
[result.closed] = await client.closePositions({ instId: BTC, mgnMode: 'isolated' });

// What remains.
result.history = await client.getOrderHistory({ instType: 'SWAP' });
result.fills = await client.getFills({ instType: 'SWAP' });
result.positions = await client.getPositionsHistory({ instType: 'SWAP' });
result.bills = await client.getBills();
[result.balance] = await client.getBalance();
result.channels = Object.fromEntries(Object.entries(heard).map(([channel, rows]) => [channel, rows.length]));
result.errors = errors;
socket.closeAll(true);
console.log(JSON.stringify(result));
process.exit(0);
