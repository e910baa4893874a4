package tracing

// queueStorage is the name of the storage of queues on disk.
const queueStorage = "file_storage/queues"

// CollectorDataDirectory is where the Collector's container has the volume of its
// queues.
const CollectorDataDirectory = "/var/lib/otelcol"

// Source: opentelemetry-collector-contrib extension/storage/filestorage README.
type fileStorage struct {
	Directory       string `json:"directory"`
	CreateDirectory bool   `json:"create_directory"`
	Timeout         string `json:"timeout"`
	Recreate        bool   `json:"recreate"`
}

func newFileStorage() fileStorage {
	return fileStorage{
		Directory: CollectorDataDirectory + "/queues", CreateDirectory: true,
		// How long a start waits for the lock of a predecessor that is just ending.
		Timeout: "10s",
		// Without fsync, as badger is: what is written survives the process, however it
		// ends, but not a power cut, which may even leave a file that cannot be read. A
		// Collector that starts with an empty queue then is better than none.
		Recreate: true,
	}
}
