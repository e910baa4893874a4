package tracing

import (
	"fmt"
	"maps"
	"slices"

	"github.com/Masterminds/semver/v3"
)

// CRIORelease is a CRI-O release as a bundle of static binaries.
type CRIORelease struct {
	// Version is the release, without a 'v'.
	Version string
	// SHA256 is the hexadecimal checksum of the official bundle by architecture
	// (amd64, arm64); empty for a release that only a custom bundle has.
	SHA256 map[string]string
	// ConmonRs is the container monitor beside it.
	ConmonRs ConmonRs
}

// URL returns the address of the official bundle for one architecture.
func (r CRIORelease) URL(arch string) string {
	return fmt.Sprintf("https://storage.googleapis.com/cri-o/artifacts/cri-o.%s.v%s.tar.gz", arch, r.Version)
}

// crioReleases pairs every Kubernetes minor with the newest CRI-O release of the
// same minor whose bundles' checksums are published. CRI-O's minor follows
// Kubernetes'.
//
// Sources: https://github.com/cri-o/cri-o#compatibility-matrix-cri-o--kubernetes;
// checksums as in kubernetes-sigs/kubespray, checksums.yml at 24b82917 (1.25),
// 1f47d5b7 (1.26), 03ac02af (1.27), 03372d88 (1.28, 1.29), 12665270 (1.30),
// aa255f88 (1.31), 005bdce7 (1.32), 4cefd776 (1.33) and 46dbdd39 (the others);
// conmon-rs: cri-o contrib/bundle/build at v1.25.4, v1.26.4 and v1.27.4 (none), and
// for the bundles from 1.28 on, which cri-o/packaging builds when a release is
// tagged, its templates/latest/cri-o/bundle/versions on the day of the tag.
var crioReleases = map[uint64]CRIORelease{
	25: {Version: "1.25.4", SHA256: map[string]string{
		"amd64": "d667d20f032793356006ef97d4318dee9f57d62692ab80ee55bc5915555a2ad5",
		"arm64": "eb46a48b62124fe9e18c85c3c26638630099744a8b9c21577f1da92dcbb4c243",
	}},
	26: {Version: "1.26.4", SHA256: map[string]string{
		"amd64": "cfeca97f1ca612813ae0a56a05d33a9f94e3b1fd8df1debb16f322676819314a",
		"arm64": "dbc64d796eb9055f2e070476bb1f32ab7b7bf42ef0ec23212c51beabfd5ac43f",
	}},
	27: {Version: "1.27.4", SHA256: map[string]string{
		"amd64": "d09a4a2187f63abec13220459e08922e98b7d8740fbcd81cd20bf17a1dd44016",
		"arm64": "70ad1b52880c9eb026937f24aba278c89e044a3c9dbc78bcafb06b932bb2a7d7",
	}},
	28: {Version: "1.28.4", ConmonRs: "0.6.1", SHA256: map[string]string{
		"amd64": "4bf81791f6d5f65df797f4e25dee0c8fcc157c2800c0159c68c943fd78d63e30",
		"arm64": "de110f71160202a1183bd3282a0a480363e6851ee101bbcaa34ba2e38c3b924d",
	}},
	29: {Version: "1.29.2", ConmonRs: "0.6.1", SHA256: map[string]string{
		"amd64": "55e71ef1bceb1cd9490ec85fdbfc889d3f3a9dd2ef3b8954dcbcf33cb6609167",
		"arm64": "e2ddaeb9d46b6a39057e67f77f5840e79d2226839014d77eb6ef243b88761f7a",
	}},
	30: {Version: "1.30.13", ConmonRs: "0.6.6", SHA256: map[string]string{
		"amd64": "8a40791ee8be099f861574bfca0908fa1c17f9513c47cb8025c833fe59c6c3c7",
		"arm64": "f9eda79e902660e8dd53231d533e6f4f0feaa6a3fc1b15bb30b8f17e8d9bf93c",
	}},
	31: {Version: "1.31.13", ConmonRs: "0.7.2", SHA256: map[string]string{
		"amd64": "e0231cfdac55c85b0902c97d5836b2467b0354c9c5c43bbef266faae13cbc5e2",
		"arm64": "2415aa2b897bef13d65e45e185d2f4bd628c404d5c5d9419dbf278bf3e64f29a",
	}},
	32: {Version: "1.32.13", ConmonRs: "0.7.3", SHA256: map[string]string{
		"amd64": "27e2bf049f589a568d45c4fdd0eaf119680176c202bd09219f8726ba37f9c21e",
		"arm64": "f40004183d93bb203231385b5dd07a32e17eced47213817c1958ccc9eea73f70",
	}},
	33: {Version: "1.33.12", ConmonRs: "0.8.0", SHA256: map[string]string{
		"amd64": "a1b0677be57fc803b61fefc31874af0fcedfa3e24b60d636a75e9150a351d657",
		"arm64": "b30556d67779e591b4ab449f100764cedfc18700a153d7f5ba648960d3960816",
	}},
	34: {Version: "1.34.11", ConmonRs: "0.8.0", SHA256: map[string]string{
		"amd64": "412d3f0490a37c45933134f4c899cc5b97faf9408a35daf562f672c277d37a0b",
		"arm64": "8c8080cb799155b7a40d706c48fcced6869d8942f321042fc16502b42fcbec26",
	}},
	35: {Version: "1.35.6", ConmonRs: "0.8.0", SHA256: map[string]string{
		"amd64": "481c1de44de8a71dc299b3605c7b5f6044f656207cf5d39c14d4c840653bb7f5",
		"arm64": "90142d24760afe66fd082a58d2ce752f01aef58b5a2bb96e03dca23e96cff834",
	}},
	36: {Version: "1.36.3", ConmonRs: "0.8.0", SHA256: map[string]string{
		"amd64": "fc2ece7cc22a505cca5e100438e4e58f7786f17b64467022e2d2019239c88349",
		"arm64": "749e5e5393a09ec93af6723410cf3554fb4b3b2fd7df2cb36a9acc427c3392cf",
	}},
}

// CRIOReleases returns the CRI-O of every Kubernetes minor (1.x) that has one.
func CRIOReleases() map[uint64]CRIORelease { return maps.Clone(crioReleases) }

// CRIORelease returns the CRI-O for a k3s release and reports whether an official
// bundle of it has a published checksum.
func (r Release) CRIORelease() (CRIORelease, bool) {
	release, ok := crioReleases[r.Minor]
	return release, ok
}

// PublishedCRIO returns the CRI-O release of that version and reports whether an
// official bundle of it has a published checksum.
func PublishedCRIO(version string) (CRIORelease, bool) {
	for _, release := range crioReleases {
		if release.Version == version {
			return release, true
		}
	}
	return CRIORelease{}, false
}

// CRIOWithConmonRs lists the releases in the table whose bundles have a conmon-rs,
// oldest first.
func CRIOWithConmonRs() []string {
	var versions []string
	for _, minor := range slices.Sorted(maps.Keys(crioReleases)) {
		if release := crioReleases[minor]; release.ConmonRs != "" {
			versions = append(versions, release.Version)
		}
	}
	return versions
}

// PublishedCRIOWithJoinedTraces returns the newest CRI-O release in the table whose
// conmon-rs joins CRI-O's traces.
func PublishedCRIOWithJoinedTraces() CRIORelease {
	minors := slices.Sorted(maps.Keys(crioReleases))
	for _, minor := range slices.Backward(minors) {
		if release := crioReleases[minor]; release.ConmonRs.JoinsTraces() {
			return release
		}
	}
	panic("no CRI-O release in the table has a conmon-rs that joins traces")
}

// OwnCRIO returns the CRI-O release of a custom bundle. Its conmon-rs is assumed to be
// that of the official bundles of the same minor.
func OwnCRIO(version string) CRIORelease {
	minor := semver.MustParse(version).Minor()
	if minor >= 37 {
		return CRIORelease{Version: version, ConmonRs: conmonRsWithoutTracing}
	}
	return CRIORelease{Version: version, ConmonRs: crioReleases[minor].ConmonRs}
}

// CRIORange returns the range of Kubernetes minors with an official bundle of CRI-O,
// for messages.
func CRIORange() string {
	minors := slices.Sorted(maps.Keys(crioReleases))
	return fmt.Sprintf("1.%d to 1.%d", minors[0], minors[len(minors)-1])
}

// CrunRelease returns the release whose bundle contains the crun of containerd's nodes:
// the newest with a published checksum. crun's own releases are published without
// checksums.
func CrunRelease() CRIORelease {
	return crioReleases[slices.Max(slices.Collect(maps.Keys(crioReleases)))]
}
