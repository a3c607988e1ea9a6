package targettrust

import (
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"golang.org/x/crypto/ssh"
)

// Numbers of OpenSSH's PROTOCOL.krl.
const (
	krlMagic        = 0x5353484b524c0a00 // "SSHKRL\n" and a zero byte
	krlFormat       = 1
	krlExplicitKeys = 2 // section: blobs of keys that are revoked
)

// KRL writes a key revocation list as sshd's RevokedKeys reads it (OpenSSH,
// PROTOCOL.krl). A revoked key that is an authority's revokes every certificate
// under it. Keys are in authorized_keys form; without any, the list is empty and
// still one that sshd accepts, which it needs: where the file is missing it
// refuses everybody. The same arguments give the same bytes.
func KRL(version uint64, generated time.Time, comment string, revoked []string) ([]byte, error) {
	list := binary.BigEndian.AppendUint64(nil, krlMagic)
	list = binary.BigEndian.AppendUint32(list, krlFormat)
	list = binary.BigEndian.AppendUint64(list, version)
	list = binary.BigEndian.AppendUint64(list, uint64(generated.Unix()))
	list = binary.BigEndian.AppendUint64(list, 0) // flags: none are defined
	list = appendString(list, nil)                // reserved
	list = appendString(list, []byte(comment))
	if len(revoked) == 0 {
		return list, nil
	}
	revoked = slices.Compact(slices.Sorted(slices.Values(revoked)))
	var keys []byte
	for _, line := range revoked {
		key, _, _, rest, err := ssh.ParseAuthorizedKey([]byte(line))
		if err != nil || len(rest) != 0 {
			return nil, fmt.Errorf("revoking %.60q, which is no key: %w", line, err)
		}
		keys = appendString(keys, key.Marshal())
	}
	return appendString(append(list, krlExplicitKeys), keys), nil
}

// appendString is SSH's string (RFC 4251, section 5): its length, then its bytes.
func appendString(to, data []byte) []byte {
	return append(binary.BigEndian.AppendUint32(to, uint32(len(data))), data...)
}
