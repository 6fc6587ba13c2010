-- The catalog's books and the counters it hands numbers out from.

CREATE TABLE IF NOT EXISTS books (
    id          BIGINT       NOT NULL PRIMARY KEY,
    title       VARCHAR(200)  NOT NULL,
    author      VARCHAR(100)  NOT NULL,
    isbn        VARCHAR(20)   NULL,      -- as it was given
    isbn_key    VARBINARY(255) NULL,     -- as it is compared: no hyphens, no blanks, capitals; UTF-8
    price       BIGINT        NOT NULL,  -- in fen
    description TEXT          NOT NULL,
    unpublished TINYINT       NOT NULL,  -- 1: out of lists, search and new orders
    revision    BIGINT        NOT NULL,  -- the book's last change among all changes
    created_at  DATETIME(3)   NOT NULL,
    updated_at  DATETIME(3)   NOT NULL,
    UNIQUE KEY books_isbn (isbn),
    UNIQUE KEY books_isbn_key (isbn_key),
    -- Followers of changes read on from the last revision they know.
    UNIQUE KEY books_revision (revision),
    -- The list of published books, and how many they are, from the index alone.
    KEY books_published (unpublished, id),
    KEY books_title (title),
    KEY books_author (author)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS id_counters (
    name VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
    next BIGINT      NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

INSERT IGNORE INTO id_counters (name, next) VALUES ('book_changes', 1), ('books', 1);
