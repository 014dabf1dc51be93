-- What speaks to a camera: our own RTSP client, or libav in a process of its own.

ALTER TABLE cameras ADD COLUMN source TEXT NOT NULL DEFAULT 'rtsp' CHECK (source IN ('rtsp', 'libav'));
