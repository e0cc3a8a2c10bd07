# The words for a missing library.
repo system 0 testtags <inline>
repo available 0 testtags <inline>
#>=Pkg: a 1 2 x86_64
#>=Req: libfoo.so.1()(64bit)
system x86_64 rpm system
job install name a
result transaction,problems <inline>
#>problem info nothing provides libfoo.so.1()(64bit) needed by a-1-2.x86_64
