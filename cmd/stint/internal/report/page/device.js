// Devices: machines with keys of their own, and what one adds to an activation. What a
// machine says of its state is its owner's word; that it is the device's is checked here.

// Whether a device's key signed a text: Ed25519, or ECDSA on P-256 with both numbers
// side by side.
async function isSignedByDevice(text, signature, key) {
  const bytes = fromBase64URL(signature, "a device\u2019s signature");
  const parts = sshFields(keyBytes(key));
  const kind = fromUTF8(parts.field());
  if (kind === "ssh-ed25519") return verifyEd25519(parts.field(), bytes, utf8(text));
  if (kind !== "ecdsa-sha2-nistp256" || bytes.length !== 64) return false;
  parts.field(); // the curve, which the kind names
  return verifyP256(parts.field(), bytes, utf8(text));
}

async function applyDevice(entry, beliefs, anchor) {
  const { statement, possession, login } = entry.device.evidence;
  const s = readStatement(statement, "device");
  const called = `the device \u201c${s["device-name"]}\u201d`;
  if (s.instance !== anchor.instance) throw new Refused(`${called} was enrolled for another installation`);
  for (const [id, known] of beliefs.devices) {
    if (id === s.device || known.key === s["device-key"]) throw new Refused(`the id or the key of ${called} was known already`);
  }
  if (!(await isSignedByDevice(statement, possession, s["device-key"]))) throw new Refused(`the key of ${called} did not sign its enrolment`);
  await checkLogin(login.binding, s.person, beliefs, anchor);
  if (!(await isSignedByLoginKey({ statement, signature: login.signature }, login.binding.login_key))) {
    throw new Refused(`the login key did not sign the enrolment of ${called}`);
  }
  if (beliefs.people.get(s.person)?.suspended) throw new Refused(`${called} was enrolled for somebody who was suspended`);
  beliefs.devices = new Map(beliefs.devices).set(s.device, { person: s.person, name: s["device-name"], key: s["device-key"], blocked: false });
  return {
    what: `The device \u201c${s["device-name"]}\u201d of ${s.person} was enrolled, its key held in ${s.held === "tpm" ? "a TPM, whose proof only the command line checks" : "a file"}`,
    by: [`${s.person}, signed in at the identity provider`], texts: [statement],
  };
}

function applyDeviceBlock(entry, beliefs) {
  const { device, by } = entry.device_block;
  const known = beliefs.devices.get(device);
  if (!known || known.blocked) throw new Refused("a device was blocked that is not known, or was blocked already");
  beliefs.devices = new Map(beliefs.devices).set(device, { ...known, blocked: true });
  return { what: `The device \u201c${known.name}\u201d of ${known.person} was blocked`, by: [`${beliefs.called(by)}, as the broker said`], texts: [] };
}

// Refuses unless the device that an activation names is the requester's own, is not
// blocked, and signed the activation and what it said of its state. Gives its name.
async function checkActivatedDevice(bundle, activation, requester, beliefs) {
  const known = beliefs.devices.get(activation.device);
  if (!known || known.blocked) throw new Refused("the device was not enrolled, or was blocked");
  if (known.person !== requester) throw new Refused("the device is another person\u2019s");
  if (!bundle.device) throw new Refused("the device\u2019s proof is missing");
  const { signature, posture } = bundle.device;
  if (!(await isSignedByDevice(bundle.activation.statement, signature, known.key))) throw new Refused("the device\u2019s key did not sign the activation");
  if ((activation.posture === "none") !== !posture) throw new Refused("what the device said of its state is not what was named");
  if (!posture) return `\u201c${known.name}\u201d`;
  const said = readStatement(posture.statement, "posture");
  if (activation.posture !== (await digestOf(posture.statement)) || said.device !== activation.device) {
    throw new Refused("what the device said of its state is not what was named");
  }
  if (!(await isSignedByDevice(posture.statement, posture.signature, known.key))) throw new Refused("the device did not sign what it is to have said of its state");
  return `\u201c${known.name}\u201d, which said of itself: ${said.system}`;
}
