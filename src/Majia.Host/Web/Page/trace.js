// The trace of one payment or enrolment: every hop with its why; a row opens to its decoded message.
import { $, call, fill, h, write } from '/screen.js';
import { current, say, t } from '/texts.js';

const kinds = ['apdu', 'iso8583', 'json', 'key', 'ledger', 'decision'];
const hidden = new Set();
const open = new Map();
let reference = null;
let title = null;
let rows = [];
let asking = false;
let again = false;

/** Follows another payment. <title>: a function, because the language may change. */
export function follow(next, named) {
  title = named;
  if (next === reference) return draw();
  reference = next;
  rows = [];
  open.clear();
  draw();
  return load();
}

export const followed = () => reference;

export async function load() {
  if (!reference) return draw();
  if (asking) {
    again = true;
    return;
  }
  asking = true;
  try {
    do {
      again = false;
      const asked = reference;
      const answer = await call('/trace?reference=' + encodeURIComponent(asked));
      if (asked === reference) rows = answer.rows;
    } while (again);
  } finally {
    asking = false;
  }
  draw();
}

async function toggle(seq) {
  if (open.has(seq)) {
    open.delete(seq);
  } else {
    open.set(seq, null);
    draw();
    open.set(seq, await call(`/trace/${seq}?reference=${encodeURIComponent(reference)}`));
  }
  draw();
}

export function draw() {
  const language = current();
  const group = $('trace-kinds');
  group.setAttribute('aria-label', t('kinds'));
  fill(group, [...hidden], language, () => kinds.map((kind) => h('button', {
    type: 'button', class: 'kind ' + kind, 'aria-pressed': String(!hidden.has(kind)), 'data-key': kind,
    onclick: () => {
      if (!hidden.delete(kind)) hidden.add(kind);
      draw();
    },
  }, kindName(kind))));

  const visible = rows.filter((row) => !hidden.has(row.kind));
  write($('trace-of'), rows.length === 0 ? t('traceEmpty') : t('tracing', title?.() ?? '', visible.length));
  fill($('trace-rows'), [visible.map((row) => row.seq), [...open.entries()].map(([seq, row]) => [seq, row !== null])], language, () => visible.map(draw1));
}

const kindName = (kind) => t(kind === 'ledger' ? 'ledgerKind' : kind);

function draw1(row) {
  const isOpen = open.has(row.seq);
  const route = row.peer && row.peer !== row.party
    ? `${say(row.partyWords)} ${row.direction === 'received' ? '←' : '→'} ${say(row.peerWords)}`
    : say(row.partyWords);
  const line = h('button', { type: 'button', class: 'line', 'aria-expanded': String(isOpen), 'aria-controls': 'row-' + row.seq, 'data-key': 'row' + row.seq, onclick: () => toggle(row.seq) },
    h('span', { class: 'seq' }, String(row.seq)),
    h('span', { class: 'route party-' + row.party.replace(/-?\d+$/, '') }, route),
    h('span', { class: 'kind ' + row.kind }, kindName(row.kind)),
    h('span', { class: 'why' }, say(row.why)));
  const inside = h('div', { id: 'row-' + row.seq, class: 'inside', hidden: !isOpen });
  const detail = open.get(row.seq);
  if (detail) {
    if (detail.tree) inside.append(tree(detail.tree));
    if (detail.hex) inside.append(h('p', { class: 'hint' }, `${t('hex')}, ${t('bytes', detail.hex.length / 2)}`), h('code', { class: 'hex' }, detail.hex.replace(/(..)/g, '$1 ').trim()));
    if (!detail.tree && !detail.hex) inside.append(h('p', { class: 'hint' }, t('noBytes')));
  }
  return h('li', {}, line, inside);
}

function tree(node) {
  return h('ul', { class: 'tree' }, leaf(node));
}

function leaf(node) {
  const name = say(node.name);
  const item = h('li', {},
    h('span', { class: 'label' }, node.label),
    name && name !== node.label ? h('span', { class: 'field' }, name) : null,
    node.value ? h('code', {}, node.value) : null,
    node.meaning ? h('span', { class: 'meaning' }, say(node.meaning)) : null);
  if (node.children?.length) item.append(h('ul', {}, ...node.children.map(leaf)));
  return item;
}
