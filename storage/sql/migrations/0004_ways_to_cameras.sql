-- What a camera's packets travel on, and whom to believe to be the camera where it speaks TLS.

ALTER TABLE cameras ADD COLUMN transport TEXT NOT NULL DEFAULT 'tcp' CHECK (transport IN ('tcp', 'udp'));
ALTER TABLE cameras ADD COLUMN tls_ca    TEXT NOT NULL DEFAULT '';  -- a file on the recording host; '': its own list
ALTER TABLE cameras ADD COLUMN tls_pin   TEXT NOT NULL DEFAULT '';  -- 'sha256/...' of the public key
