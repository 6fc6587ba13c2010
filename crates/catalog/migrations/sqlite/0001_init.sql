-- The catalog's books and the counters it hands numbers out from.

CREATE TABLE books (
    id          INTEGER       NOT NULL PRIMARY KEY,
    title       VARCHAR(200)  NOT NULL,
    author      VARCHAR(100)  NOT NULL,
    isbn        VARCHAR(20)   NULL,      -- as it was given
    isbn_key    VARBINARY(255) NULL,     -- as it is compared: no hyphens, no blanks, capitals; UTF-8
    price       BIGINT        NOT NULL,  -- in fen
    description TEXT          NOT NULL,
    unpublished TINYINT       NOT NULL,  -- 1: out of lists, search and new orders
    revision    BIGINT        NOT NULL,  -- the book's last change among all changes
    created_at  DATETIME(3)   NOT NULL,
    updated_at  DATETIME(3)   NOT NULL
);

CREATE UNIQUE INDEX books_isbn ON books (isbn);
CREATE UNIQUE INDEX books_isbn_key ON books (isbn_key);
-- Followers of changes read on from the last revision they know.
CREATE UNIQUE INDEX books_revision ON books (revision);
-- The list of published books, and how many they are, from the index alone.
CREATE INDEX books_published ON books (unpublished, id);
CREATE INDEX books_title ON books (title);
CREATE INDEX books_author ON books (author);

CREATE TABLE id_counters (
    name VARCHAR(32) NOT NULL PRIMARY KEY,
    next BIGINT      NOT NULL
);

INSERT INTO id_counters (name, next) VALUES ('book_changes', 1), ('books', 1);
