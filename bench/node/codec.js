// One run of a yardstick codec: node codec.js iso|emv SECONDS < input.json → {"rate": operations a second}.
// iso: parse the 0200 and build the 0210 with npm iso_8583. emv: parse field 55 with npm node-emv. Input from majia bench.
const path = require('path');
const modules = process.argv[4];
const load = (name) => require(path.join(modules, 'node_modules', name));
const input = JSON.parse(require('fs').readFileSync(0, 'utf8'));
const seconds = Number(process.argv[3]);

let once;
if (process.argv[2] === 'iso') {
  const Iso8583 = load('iso_8583');
  const request = new Iso8583(input.request, input.formats).getBufferMessage();
  if (request.error) throw new Error(request.error);
  once = () => {
    const parsed = new Iso8583({}, input.formats).getIsoJSON(request, { lenHeader: true });
    const built = new Iso8583(input.answer, input.formats).getBufferMessage();
    if (parsed.error || built.error) throw new Error(parsed.error || built.error);
    return Object.keys(parsed).length + built.length;
  };
} else {
  const emv = load('node-emv');
  once = () => {
    let found = 0;
    emv.parse(input.field55, (tags) => { found = tags.length; });
    if (found !== input.tags) throw new Error(`${found} tags`);
    return found;
  };
}

let sink = 0;
const run = (milliseconds) => {
  const from = process.hrtime.bigint();
  let operations = 0, elapsed = 0;
  do {
    for (let i = 0; i < 20; i++) sink += once();
    operations += 20;
    elapsed = Number(process.hrtime.bigint() - from) / 1e6;
  } while (elapsed < milliseconds);
  return operations / (elapsed / 1000);
};
run(400);
console.log(JSON.stringify({ rate: run(seconds * 1000), sink: sink > 0 }));
