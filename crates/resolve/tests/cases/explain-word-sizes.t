# Nothing is said of packages for 32 bits where one for 64 bits would do as well.
repo system 0 testtags <inline>
repo available 0 testtags <inline>
#>=Pkg: a 1 1 x86_64
#>=Req: lib
#>=Pkg: lib 1 1 i686
#>=Req: m32
#>=Pkg: lib 1 1 x86_64
#>=Req: m64
#>=Pkg: lib 0 1 x86_64
#>=Req: m64
system x86_64 rpm system
poolflags implicitobsoleteusescolors
job install name a
result transaction,problems <inline>
#>problem info 2 other candidates can't be installed either
#>problem info nothing provides m64 needed by lib-1-1.x86_64
#>problem info package a-1-1.x86_64 requires lib, but none of the providers can be installed
