module gophership.invalid/bench

go 1.19
